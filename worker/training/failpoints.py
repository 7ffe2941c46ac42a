"""Named moments at which a fault test lets this process die.

DESCENT_FAILPOINTS=FOLDER: whoever comes to a moment while FOLDER holds a file of its name takes the file and dies.
So does who comes there the third time to a file of that name and `.3`.
DESCENT_FAILPOINT=after_tmp_write, or after_tmp_write:3 (at the third passage). Unset, a passage is one comparison.
The names: step, after_optimizer_step, after_epoch_row, during_validation, mid_checkpoint_write, after_tmp_write,
after_rename, after_checkpoint_report, after_rollback, before_end, trainer_started; of the supervisor:
before_claim, after_claim, before_commit, after_commit, before_unlink. The API's stand in `app/failpoints.py`.
"""

import contextlib
import os
import signal
from collections import Counter

_armed: str | None = None
_folder: str | None = None
_passages_left = 0
_passages: Counter[str] = Counter()


def arm() -> None:
    """Read the environment again: a trainer is forked from a parent that imported this long ago."""
    global _armed, _folder, _passages_left
    _folder = os.environ.get("DESCENT_FAILPOINTS")
    name, _, count = os.environ.get("DESCENT_FAILPOINT", "").partition(":")
    _armed = name or None
    _passages_left = int(count or 1)
    _passages.clear()


def reach(name: str) -> None:
    """Die here by SIGKILL, if this is the moment asked for."""
    global _passages_left
    if _folder is not None:
        _passages[name] += 1
        for file in (name, f"{name}.{_passages[name]}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(_folder, file))
                os.kill(os.getpid(), signal.SIGKILL)
    if _armed is None or _armed != name:
        return
    _passages_left -= 1
    if _passages_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm()
