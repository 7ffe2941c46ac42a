"""What the supervisor asks of a running trainer."""

from typing import Literal

Request = Literal["pause", "cancel", "drain", "preempt"]
REQUESTS: tuple[Request | None, ...] = (None, "pause", "cancel", "drain", "preempt")


class Requests:
    """Set from another thread, looked at between two steps."""

    def __init__(self) -> None:
        self.wanted: Request | None = None


class StopRequested(Exception):
    """Leaves the loop at a step boundary."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.request: Request = request
