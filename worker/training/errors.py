"""What can go wrong in the engine, by name. `code` is what the `end` report carries.

code                 raised by                      meaning
invalid_spec         ConfigError                    the config cannot be built; `pointer` says where
diverged             Diverged                       the training loss is no longer finite
diverged             NoUpdate                       a number of an update is beyond what a parameter can hold
checkpoint_corrupt   CheckpointCorrupt              the checkpoint to resume from does not hold what was written
disk_full            DiskFull                       no space for a final, pause or drain checkpoint
checkpoint_failed    CheckpointFailed               the same for any other operating system error
environment_differs  EnvironmentDiffers             this is not the environment that the run must go on in
out_of_memory        MemoryError, torch's own       host or device memory
device_error         torch.AcceleratorError         the device, not the job, is at fault: the job is tried again
internal             anything else                  a fault of the engine; the traceback is on stderr

A checkpoint that fails *during* training ends nothing: the event `checkpoint_failed` carries the code, the previous one
stays and the next one is tried when it is due. (The service stops a job after the second one in a row without room.)
"""


class TrainingError(Exception):
    """An end with a name."""

    code = "internal"

    def detail(self) -> dict[str, object] | None:
        return None


class ConfigError(TrainingError):
    """The config cannot be built. `pointer` is a JSON pointer into the spec."""

    code = "invalid_spec"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.reason = detail

    def detail(self) -> dict[str, object]:
        return {"errors": [{"pointer": self.pointer, "detail": self.reason}]}


class Diverged(TrainingError):
    """The training loss of a batch is not finite."""

    code = "diverged"

    def __init__(self, epoch: int, step: int, loss: float) -> None:
        super().__init__(f"the training loss became {loss} in epoch {epoch}, by step {step}")
        self.epoch, self.step, self.loss = epoch, step, loss

    def detail(self) -> dict[str, object]:
        return {"epoch": self.epoch, "step": self.step, "loss": self.loss}


class NoUpdate(TrainingError):
    """The optimizer cannot take a step: torch has no number for it, such as a rate beyond float32."""

    code = "diverged"

    def __init__(self, epoch: int, step: int, rates: list[float], reason: str) -> None:
        super().__init__(f"no update after step {step} in epoch {epoch}, with learning rates {rates}: {reason}")
        self.epoch, self.step = epoch, step

    def detail(self) -> dict[str, object]:
        return {"epoch": self.epoch, "step": self.step, "loss": None}


class CheckpointCorrupt(TrainingError):
    """A checkpoint is missing, cut short or changed: an older one may serve."""

    code = "checkpoint_corrupt"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"checkpoint {path}: {reason}")
        self.path = path

    def detail(self) -> dict[str, object]:
        return {"path": self.path}


class EnvironmentDiffers(TrainingError):
    """The run may go on in the environment of its checkpoint only."""

    code = "environment_differs"

    def __init__(self, differs: list[str]) -> None:
        super().__init__(f"this environment differs from the checkpoint's: {', '.join(differs)}")
        self.differs = differs

    def detail(self) -> dict[str, object]:
        return {"differs": self.differs}


class CheckpointFailed(TrainingError):
    """A checkpoint could not be written; the previous one is untouched."""

    code = "checkpoint_failed"


class DiskFull(CheckpointFailed):
    """No space, or the quota is used up."""

    code = "disk_full"
