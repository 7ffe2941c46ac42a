"""Dependencies run one way: `worker.training` <- `worker` -> `app`, and `descent` stands alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE_MAY = sys.stdlib_module_names | {"torch", "torchmetrics", "numpy", "safetensors"}
FASTAPI_FILES = {"main.py", "dependencies.py", "error_handlers.py", "endpoints.py"}
FASTAPI = {"fastapi", "starlette"}
EXTRAS = {
    "app",
    "worker",
    "torch",
    "numpy",
    "sqlalchemy",
    "psycopg",
    "pydantic",
    "celery",
    "fastapi",
    "uvicorn",
    "alembic",
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports anywhere in it; relative imports are made absolute."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def offenders(paths: list[Path], forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def test_a_the_api_imports_neither_worker_nor_torch() -> None:
    assert offenders(modules("app"), {"worker", "torch", "torchmetrics"}) == []


def test_b_the_engine_imports_torch_and_little_else() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("worker/training")
        for name in imports(path)
        if name.split(".")[0] not in ENGINE_MAY and not name.startswith("worker.training")
    ]
    assert found == []


def test_c_fastapi_stays_at_the_edge() -> None:
    paths = [path for path in modules("app", "worker", "descent") if path.name not in FASTAPI_FILES]
    assert offenders(paths, FASTAPI) == []


def test_d_the_worker_imports_nothing_that_imports_fastapi() -> None:
    """Followed through every module of app that the worker's imports lead to."""
    seen: set[Path] = set()
    to_read = modules("worker")
    while to_read:
        path = to_read.pop()
        seen.add(path)
        to_read += [found for name in imports(path) for found in files_of(name) if found not in seen]
    assert offenders(sorted(seen), FASTAPI) == []


def files_of(name: str) -> list[Path]:
    """The files that importing `name` runs: a module of app and the packages above it."""
    parts = name.split(".")
    if parts[0] != "app":
        return []
    candidates = [ROOT.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    files = [file for path in candidates for file in (path / "__init__.py", path.with_suffix(".py"))]
    return [file for file in files if file.exists()]


def test_the_client_knows_only_the_rest_contract() -> None:
    """The operator's commands alone reach into the server, when called (the next tests hold them to that)."""
    paths = [path for path in modules("descent") if path.parent.name != "cli"]
    assert offenders(paths, {"app", "worker", "migrations", "torch", "pydantic", "sqlalchemy"}) == []


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, cwd=ROOT, timeout=60)


def test_importing_the_api_needs_no_configuration_and_says_nothing() -> None:
    code = "import sys, app.main; sys.exit(bool({'torch', 'worker', 'sklearn'} & set(sys.modules)))"
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", ["descent", "descent.client", "descent.cli.commands"])
def test_the_client_imports_with_the_base_install_alone(module: str) -> None:
    """Whatever the extras bring is made impossible to import first."""
    code = f"""
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)

sys.meta_path.insert(0, Missing())
import {module}
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_operator_command_on_the_base_install_says_what_to_install() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from descent.cli.operate import app
sys.argv = ["descent", "up"]
app()
"""
    done = run_python(code)
    assert done.returncode == 1
    assert "pip install 'descent-jobs[local]'" in done.stderr
