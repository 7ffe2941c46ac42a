"""Named moments at which a fault test lets the API die; `worker/training/failpoints.py` has those of the workers.

DESCENT_FAILPOINTS=FOLDER: whoever comes to a moment while FOLDER holds a file of its name takes the file and dies.
Unset, a passage is one comparison. The names: after_reservation (of an Idempotency-Key), before_submit_commit,
after_submit_commit (the bell is not rung yet), before_move_commit, after_move_commit (cancel, pause, resume).
"""

import os
import signal
from contextlib import suppress

_folder = os.environ.get("DESCENT_FAILPOINTS")


def reach(name: str) -> None:
    """Die here by SIGKILL, if this is the moment asked for."""
    if _folder is not None:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(_folder, name))
            os.kill(os.getpid(), signal.SIGKILL)
