"""The head of a script: what holds for the whole run, and where its tensors lie."""

from collections.abc import Iterator

from .code import literal
from .outline import Outline


def settings(outline: Outline) -> Iterator[str]:
    """Seed and sizes, threads, determinism."""
    config = outline.config
    if outline.function:
        yield f"SEED, EPOCHS = {config.seed}, {config.epochs}"
    else:
        yield f"SEED, EPOCHS, BATCH_SIZE = {config.seed}, {config.epochs}, {config.training.batch_size}"
    yield f"torch.set_num_threads({config.cpu_threads})"
    exact = config.reproducibility == "exact"
    if outline.cuda:
        yield 'os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")'
        yield f"torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = {not exact}, {exact}"
        yield f"torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = {not exact}"
    if exact and (outline.cuda or config.cpu_threads > 1):
        yield "torch.use_deterministic_algorithms(True)"
        yield "torch.utils.deterministic.fill_uninitialized_memory = False"


def to_device(outline: Outline) -> Iterator[str]:
    """All but lengths, which are read on the CPU."""
    if outline.cuda:
        for part in outline.parts:
            names = [name for name in outline.tensors(part) if not name.endswith("_lengths")]
            moved = ", ".join(f"{name}.to({literal(outline.config.device)})" for name in names)
            yield f"{', '.join(names)} = {moved}"


def extras(outline: Outline) -> Iterator[str]:
    """What stands beside model and optimizer for the whole run."""
    if outline.scaled:
        yield f"scaler = torch.amp.GradScaler({literal(outline.config.device)})"
    if outline.config.training.ema_decay is not None:
        average = f"get_ema_multi_avg_fn({literal(outline.config.training.ema_decay)})"
        yield f"averaged = AveragedModel(model, multi_avg_fn={average})"
