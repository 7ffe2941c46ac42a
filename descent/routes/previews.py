"""Previews: what a schedule or an optimizer would do, without a job."""

from collections.abc import Mapping
from typing import Any, cast

from descent.transport import Routes
from descent.types import SchedulePreview, TrajectoryPoint


class PreviewRoutes(Routes):
    def preview_schedule(
        self,
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None,
        *,
        epochs: int,
        steps_per_epoch: int = 1,
    ) -> SchedulePreview:
        """Each group's learning rates and momenta, epoch by epoch (or step by step), from torch's own objects."""
        question = {
            "optimizer": optimizer,
            "scheduler": scheduler,
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
        }
        return cast(SchedulePreview, self.transport.post("/v1/previews/schedule", question))

    def preview_trajectory(
        self, model: Mapping[str, Any], optimizer: Mapping[str, Any], *, steps: int
    ) -> list[TrajectoryPoint]:
        """The way of a Function's numbers under an optimizer, before each update and at the end."""
        question = {"model": model, "optimizer": optimizer, "steps": steps}
        return cast(list[TrajectoryPoint], self.transport.post("/v1/previews/trajectory", question))
