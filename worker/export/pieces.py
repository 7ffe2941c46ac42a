"""A job over several processes as one process has it: the pieces of each batch in turn, to the same bits."""

from collections.abc import Iterator

from worker.training.looked_up import looked_up
from worker.training.seeds import STRIDE

from .batches import fields, load_augmented
from .code import block
from .objective import backward, count, forward
from .outline import Outline
from .sources import source_of

ADDED = '''def added(tensors):
    """The sum, in the order of the processes."""
    total = tensors[0].clone()
    for tensor in tensors[1:]:
        total += tensor
    return total'''
ADDED_SPARSE = '''def added_sparse(gradients):
    """The same for sparse gradients: a row that several have is added in the order of the processes."""
    found = [gradient.coalesce() for gradient in gradients]
    indices = torch.cat([gradient.indices() for gradient in found], dim=1)
    values = torch.cat([gradient.values() for gradient in found])
    return torch.sparse_coo_tensor(indices, values, found[0].shape, check_invariants=False).coalesce()'''

LOOKED_UP = '''def put(weights, values):
    for weight, value in zip(weights, values):
        weight.data.copy_(value)


def agreed(before, left):
    """Each row as the first process left it that changed it."""
    found = before
    for weights in reversed(left):
        each = zip(weights, before, found)
        found = [torch.where((own != old).any(1, keepdim=True), own, kept) for own, old, kept in each]
    return found'''
COPIED = "[weight.detach().clone() for weight in embeddings]"


def definitions(outline: Outline) -> Iterator[str]:
    if outline.in_pieces:
        yield ADDED
        yield from [ADDED_SPARSE] * outline.sparse
    if outline.looks_up:
        yield from (source_of(looked_up), LOOKED_UP)


def settings(outline: Outline) -> Iterator[str]:
    """The processes, and the generators that they draw from."""
    if not outline.in_pieces:
        return
    yield f"PROCESSES = {outline.config.gpus}  # the job had so many, each with a piece of every batch"
    yield f"drawn, drawing = [{state(outline)}], 0"
    seed = f"torch.manual_seed((SEED * {STRIDE:_} + rank + 3 * 2**30) % 2**32)"
    yield block("for rank in range(1, PROCESSES):", [seed, f"drawn.append({state(outline)})"])
    yield from restore(outline, "drawn[0]")


def state(outline: Outline) -> str:
    return "(torch.get_rng_state(), torch.cuda.get_rng_state())" if outline.cuda else "torch.get_rng_state()"


def restore(outline: Outline, name: str) -> list[str]:
    if not outline.cuda:
        return [f"torch.set_rng_state({name})"]
    return [f"torch.set_rng_state({name}[0])", f"torch.cuda.set_rng_state({name}[1])"]


def functions(outline: Outline) -> Iterator[str]:
    if not outline.in_pieces:
        return
    doc = '"""From here on random numbers are those of this process of the job."""'
    lines = [
        doc,
        "global drawing",
        f"drawn[drawing], drawing = {state(outline)}, rank",
        *restore(outline, "drawn[rank]"),
    ]
    yield from ("", block("def as_process(rank):", lines), "")
    yield from ("", in_pieces(outline), "")


def in_pieces(outline: Outline) -> str:
    """The function that takes the place of a window's forward and backward passes."""
    tensors = [name.strip() for name in fields(outline).split(",") if name.strip() != "share"]
    cut = f"{', '.join(tensors)} = (tensor[start:stop].clone() for tensor in ({', '.join(tensors)}))"
    piece = [
        "sizes = [len(x) // PROCESSES + (r < len(x) % PROCESSES) for r in range(PROCESSES)]",
        "stop, part = sum(sizes[: rank + 1]), sizes[rank] / len(x)",
        "start = stop - (sizes[rank] or 1)  # without a sample of its own it looks at the last one, and counts nothing",
        cut,
        *forward(outline, training=True),
        *backward(outline, "batches", " * part"),
        "mean = mean + share.detach()",
        "pieces.append((sizes[rank], loss.item(), outputs.detach()[: sizes[rank]]))",
    ]
    process = [
        "as_process(rank)",
        *["put(embeddings, before)"] * outline.looks_up,
        "model.zero_grad()",
        "pieces, mean = [], 0.0",
        block(f"for {fields(outline)} in batches:", piece),
        "found.append(pieces)",
        "means.append(mean)",
        "gradients.append([p.grad for p in model.parameters()])",
        block("if rank == 0:", ["statistics = [buffer.clone() for buffer in model.buffers()]"]),
        *[f"left.append({COPIED})"] * outline.looks_up,
    ]
    add = "added(mine)"
    if outline.sparse:
        add = "(added_sparse if mine[0].is_sparse else added)(mine)"
    total = "sum(loss * size for size, loss, _ in pieces if size) / sum(size for size, _, _ in pieces)"
    lines = [
        '"""Loss and outputs of each batch, and the gradients of their mean loss, which is returned as well."""',
        "found, means, gradients = [], [], []",
        *begin_looking_up(outline, "[]"),
        block("for rank in range(PROCESSES):", process),
        "as_process(0)",
        *end_looking_up(outline),
        block(
            "for buffer, kept in zip(model.buffers(), statistics):  # running statistics are the first one's",
            ["buffer.copy_(kept)"],
        ),
        block(
            "for p, mine in zip(model.parameters(), zip(*gradients)):",
            [f"p.grad = None if mine[0] is None else {add}"],
        ),
        f"{block('losses = [', [total, 'for pieces in zip(*found)'])}\n]",
        "outputs = [torch.cat([mine for _, _, mine in pieces]) for pieces in zip(*found)]",
        "return list(zip(losses, outputs)), added(means)",
    ]
    return block("def in_pieces(batches):", lines)


def loaded(outline: Outline) -> Iterator[str]:
    """The batches of a window, as the model shall see them."""
    batch = f"({fields(outline)})"
    if outline.accumulates:
        yield "loaded = []"
        yield block("for batch in window:", [*load_augmented(outline), f"loaded.append({batch})"])
    else:
        yield from load_augmented(outline)
        yield f"loaded = [{batch}]"


def counted(outline: Outline) -> str:
    return block(f"for ({fields(outline)}), (loss, outputs) in zip(loaded, found):", list(count(outline)))


def passes(outline: Outline) -> Iterator[str]:
    """A window's forward and backward passes, and what the rows need of it."""
    yield from loaded(outline)
    yield "found, _ = in_pieces(loaded)"
    yield counted(outline)


def evaluated_by(outline: Outline, body: list[str]) -> list[str]:
    """The processes take the batches of a part in turn."""
    if not outline.looks_up:
        return [*["as_process(start // BATCH_SIZE % PROCESSES)"] * outline.in_pieces, *body]
    begin = ["rank = start // BATCH_SIZE % PROCESSES", "as_process(rank)", "put(embeddings, left[rank])"]
    return [*begin, *body, f"left[rank] = {COPIED}"]


def begin_looking_up(outline: Outline, left: str) -> list[str]:
    """Each process shortens rows of its own."""
    lines = ["embeddings = looked_up(model)", f"before = {COPIED}", f"left = {left}"]
    return lines * outline.looks_up


def end_looking_up(outline: Outline) -> list[str]:
    return ["put(embeddings, agreed(before, left))"] * outline.looks_up
