"""Questions that take torch are put to the previews worker over its queue, with a deadline."""

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Any
from uuid import uuid4

import orjson
import redis

from app.errors import PointedError, Unavailable
from app.queue import get_publisher
from app.settings import get_settings

TASK = "descent.preview"
QUEUE = "previews"
MAX_REMEMBERED = 256
Answer = dict[str, Any]
"""{"result": {...}} or {"errors": [{"pointer", "detail"}]}"""


class Remembered:
    """The newest answers, by the hash of the question."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, question: str) -> Answer | None:
        with self._lock:
            if question in self._answers:
                self._answers.move_to_end(question)
            return self._answers.get(question)

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()

    def put(self, question: str, answer: Answer) -> None:
        with self._lock:
            self._answers[question] = answer
            while len(self._answers) > MAX_REMEMBERED:
                self._answers.popitem(last=False)


remembered = Remembered()


class Refused(Exception):
    """The worker's verdict on the question itself."""

    def __init__(self, errors: list[PointedError]) -> None:
        super().__init__("refused")
        self.errors = errors


def ask(kind: str, payload: dict[str, Any], *, seconds: float | None = None, remember: bool = True) -> dict[str, Any]:
    """The worker's result. Raises Refused, and Unavailable when no answer comes in time.

    `remember`: for small answers that are asked for again, as at a submit after its dry run.
    """
    question = hashlib.sha256(orjson.dumps([kind, payload], option=orjson.OPT_SORT_KEYS)).hexdigest()
    answer = remembered.get(question)
    if answer is None:
        answer = send(kind, payload, get_settings().preview_seconds if seconds is None else seconds)
        if remember:
            remembered.put(question, answer)
    if "errors" in answer:
        raise Refused(answer["errors"])
    result: dict[str, Any] = answer["result"]
    return result


def send(kind: str, payload: dict[str, Any], seconds: float) -> Answer:
    """One question and its answer. Celery's Redis backend publishes the reply on a channel named after the task."""
    task_id = str(uuid4())
    deadline = time.monotonic() + seconds
    try:
        with connect() as connection, connection.pubsub(ignore_subscribe_messages=True) as replies:
            replies.subscribe(f"celery-task-meta-{task_id}")
            replies.get_message(timeout=seconds)  # the subscription stands before the question goes out
            get_publisher().send_task(
                TASK,
                args=(kind, payload),
                task_id=task_id,
                queue=QUEUE,
                expires=seconds,
                soft_time_limit=seconds,
                ignore_result=False,
            )
            while (left := deadline - time.monotonic()) > 0:
                message = replies.get_message(timeout=left)
                if message is not None and (reply := orjson.loads(message["data"]))["status"] != "STARTED":
                    return read(reply)
    except Unavailable:
        raise
    except Exception as error:  # redis and kombu raise a dozen kinds, all of which mean "not now"
        raise Unavailable(f"The broker is away ({type(error).__name__}).", retry_after=5) from None
    raise Unavailable(f"No previews worker answered within {seconds:g} seconds.", retry_after=5)


def read(reply: dict[str, Any]) -> Answer:
    if reply["status"] != "SUCCESS":
        raise Unavailable("The previews worker failed at this question.", retry_after=5)
    answer: Answer = reply["result"]
    return answer


def connect() -> redis.Redis:
    """Celery writes a Redis socket as redis+socket://, redis-py as unix://."""
    url = get_settings().broker_url.replace("redis+socket://", "unix://", 1)
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=10)
