"""One Celery process, `python -m worker.celery_main --queue cpu --device cpu --slots 2 --channel FD`.

It supervises training and never trains: no torch here (the previews apart).
"""

import argparse
import logging
import socket
import time
from typing import Any

from celery import Celery, signals
from sqlalchemy.exc import SQLAlchemyError

from app import installation, logs
from app.ids import new_id
from app.settings import get_settings
from worker import tasks
from worker.celery_app import make_app
from worker.identity import Identity
from worker.presence import Presence
from worker.slots import Slots

logger = logging.getLogger(__name__)

PREVIEWS = "previews"
RETRY_SECONDS = 1.0


def main() -> int:
    arguments = parse()
    logs.configure(get_settings().log_level)
    me = Identity(
        new_id("wrk"), socket.gethostname(), arguments.queue, arguments.device, arguments.slots, arguments.labels
    )
    if not belongs_together():
        return installation.EX_CONFIG
    app = make_app()
    slots = None
    if me.queue == PREVIEWS:
        from worker import previews  # brings torch

        previews.warm_up()
        tasks.add_previews(app, previews.answer)
    else:
        slots = Slots(me, socket.socket(fileno=arguments.channel))
        tasks.add_training(app, slots)
    return serve(app, me, slots)


def belongs_together() -> bool:
    """Whether database and store are of one installation, asked until the database answers."""
    while True:
        try:
            installation.check()
            return True
        except installation.WrongStore as wrong:
            logger.error("not started: %s", wrong)
            return False
        except SQLAlchemyError as error:
            logger.warning("waiting for the database (%s)", type(error).__name__)
            time.sleep(RETRY_SECONDS)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worker.celery_main")
    parser.add_argument("--queue", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--labels", default="", type=lambda text: [label for label in text.split(",") if label])
    parser.add_argument("--channel", type=int, help="descriptor of the warm parent's channel")
    return parser.parse_args()


def serve(app: Celery, me: Identity, slots: Slots | None) -> int:
    """Until SIGTERM; then every running job saves a checkpoint and goes back into the queue, which ends its task."""
    presence = Presence(me, slots)
    presence.start()

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator]
    def ready(**_: Any) -> None:
        presence.consuming()

    @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
    def shutting_down(**_: Any) -> None:
        if slots is not None:
            slots.draining.set()

    # Solo answers in this very thread; threads do nothing but wait for their trainers.
    worker = app.Worker(
        pool="solo" if slots is None else "threads",
        concurrency=me.slots,
        queues=[me.queue],
        hostname=f"{me.worker_id}@{me.host}",
        loglevel=get_settings().log_level,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        optimization="fair",
    )
    try:
        worker.start()
    finally:
        if slots is not None:
            slots.draining.set()
            slots.wait()
        presence.leave()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    raise SystemExit(main())
