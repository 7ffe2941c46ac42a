"""Celery, every setting of it in this one place. A message is a doorbell: acknowledged at once, worth nothing."""

from celery import Celery

from app.settings import get_settings


def make_app() -> Celery:
    app = Celery("descent", broker=get_settings().broker_url, backend=get_settings().broker_url)
    app.conf.update(
        # Only JSON: who can write to the broker must not be able to run code here.
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        # A late acknowledgement would hand a long job's message out twice, after the visibility timeout.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        result_expires=60,
        # A message that waits in a worker's memory is unacknowledged, and redelivered as well.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Never give up on a broker that is away, and never touch what runs when it goes.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options={
            "visibility_timeout": 43_200,
            "socket_keepalive": True,
            "health_check_interval": 30,
            "socket_timeout": 30,
        },
        redis_backend_health_check_interval=30,
        redis_socket_timeout=5,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,  # cancel and drain go through Postgres
        task_publish_retry=False,
        task_default_queue="cpu",
        event_queue_expires=60,
    )
    return app
