"""On the PYTHONPATH of processes under test, and nowhere else: what no setting of the service can do to it.

FAULTS_INJECT=fence_off: an attempt may write whatever became of its lease.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def fence_off(module: ModuleType) -> None:
    from sqlalchemy import case, func, update

    def hold(session: Any, lease: Any, **values: Any) -> Any:
        job = module.Job
        until = case((job.lease_until.is_not(None), func.clock_timestamp() + module.seconds(lease.seconds)))
        statement = update(job).where(job.id == lease.job_id).values(lease_until=until, **values)
        columns = (job.status, job.request, job.failures, func.clock_timestamp())
        return module.Held(*session.execute(statement.returning(*columns)).one())

    module.hold = hold  # type: ignore[attr-defined]


INJECTIONS: dict[str, tuple[str, Callable[[ModuleType], None]]] = {"fence_off": ("app.jobs.leases.fence", fence_off)}


class Injector(MetaPathFinder):
    """Changes one module once it is loaded."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name, self._change = name, change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            self._change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if chosen := os.environ.get("FAULTS_INJECT"):
    sys.meta_path.insert(0, Injector(*INJECTIONS[chosen]))
