"""The doorbell: a message says "there is work on this queue" and carries nothing else."""

import logging
from functools import lru_cache

from celery import Celery

from app.settings import get_settings

logger = logging.getLogger(__name__)

RING_TASK = "descent.ring"


@lru_cache
def get_publisher() -> Celery:
    """A Celery application that only sends; publishing gives up quickly, since the sweeper rings again."""
    publisher = Celery("descent", broker=get_settings().broker_url)
    publisher.conf.update(
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=2,
        broker_transport_options={"socket_timeout": 3, "socket_connect_timeout": 2, "max_retries": 1},
    )
    return publisher


def ring(queue: str) -> bool:
    """Wake one slot of the queue; False (and a log line) when the broker is away."""
    try:
        get_publisher().send_task(RING_TASK, queue=queue, expires=3600)
    except Exception as error:  # kombu raises a dozen kinds, all of which mean "not now"
        logger.warning("doorbell of %s not rung: %s", queue, error)
        return False
    return True
