"""The fitted preprocessing of a bundle, as functions of its model.py."""

from collections.abc import Iterator
from typing import Any

from .code import block, literal
from .prepared import Prepared

FITTED = '''def fitted(step, name):
    """A number or tensor that a step was fitted with."""
    return torch.tensor(FITTED["steps"][step][name], dtype=torch.float64)'''
ENCODE = '''def encode(rows):
    """Rows (dicts by column, or lists in the order of the columns) as numbers: a text is its place among the known."""
    columns, categories = FITTED["columns"], FITTED["categories"]
    places = {name: {value: float(place) for place, value in enumerate(categories[name])} for name in categories}
    table = [[row[name] for name in columns] if isinstance(row, dict) else row for row in rows]
    return torch.tensor(
        [
            [math.nan if value is None else places[name][value] if name in places else float(value)
             for name, value in zip(columns, row)]
            for row in table
        ],
        dtype=torch.float64,
    )'''
ONE_HOT = '''def one_hot(x, names, columns):
    """Each named column gives way to one for each of its values: the new matrix and its columns' names."""
    made, after = [], []
    for place, name in enumerate(columns):
        column = x[:, place : place + 1].double()
        values = FITTED["categories"].get(name) or FITTED["levels"].get(name, [])
        if name in names:
            numbers = FITTED["levels"].get(name) or range(len(values))
            column = (column == torch.tensor(numbers, dtype=torch.float64)).double()
        made.append(column)
        after += [f"{name}={value}" for value in values] if name in names else [name]
    return torch.cat(made, 1), after'''
ORDINAL = '''def ordinal(x, names, columns):
    """Whole numbers as their places among the known ones; texts are theirs already."""
    x = x.double().clone()
    for place, name in enumerate(columns):
        if name in names and name in FITTED["levels"]:
            known = torch.tensor(FITTED["levels"][name], dtype=torch.float64)
            x[:, place] = torch.searchsorted(known, x[:, place].contiguous()).double()
    return x'''
AS_TENSOR = [
    'if not hasattr(x, "dtype"):  # numbers of Python are float64, and whole ones stay whole',
    "    x = torch.tensor(x, dtype=torch.float64 if torch.tensor(x).is_floating_point() else None)",
    "x = torch.as_tensor(x)",
]
VOCABULARY = """VOCABULARY = json.loads((HERE / "vocabulary.json").read_text())
PLACES = {token: place for place, token in enumerate(VOCABULARY) if place > 1}"""
STREAM = '''def preprocess(text):
    """One text as token numbers [1, length], as the model goes on from them."""
    return torch.tensor([[PLACES.get(token, 1) for token in tokens_of(text)]])'''
TOKENS = {
    "word": 'return re.findall(r"\\w+|[^\\w\\s]", text)',
    "character": "return list(text)",
    "byte": 'return [f"{byte:02x}" for byte in text.encode()]',
}


def preprocessing(prepared: Prepared) -> Iterator[str]:
    """`preprocess` and what it calls."""
    steps = prepared["steps"]
    if steps and steps[0]["type"] == "Tokenize":
        yield from tokenizing(steps[0])
        return
    kinds = {step["type"] for step in steps}
    if any(set(step) - {"type"} for step in steps if step["type"] not in ("Resize", "OneHot", "Ordinal")):
        yield FITTED
    if prepared["categories"]:
        yield ENCODE
    if "OneHot" in kinds:
        yield ONE_HOT
    if "Ordinal" in kinds:
        yield ORDINAL
    doc = '"""Samples [n, ...] as the data set had them, as the model takes them."""'
    lines = ["x = encode(x)"] if prepared["categories"] else AS_TENSOR.copy()
    if kinds & {"OneHot", "Ordinal"}:
        lines.append('columns = FITTED["columns"]')
    for index, step in enumerate(steps):
        lines += step_lines(index, step)
    tokens = prepared["model"]["type"] in ("GPT", "TransformerClassifier", "LSTMClassifier")
    lines.append(
        "return x.long()" if tokens else "return x.float() if x.is_floating_point() or x.dtype == torch.uint8 else x"
    )
    yield block("def preprocess(x):", [doc, *lines])


def step_lines(index: int, step: dict[str, Any]) -> Iterator[str]:
    match step["type"]:
        case "Standardize":
            yield f'mean, std = fitted({index}, "mean"), fitted({index}, "std")'
            yield f'constant = fitted({index}, "constant").bool()'
            yield "x = torch.where(constant, 0.0, (x.double() - mean) / torch.where(constant, 1.0, std))"
        case "MinMaxScale":
            yield f'low, high = fitted({index}, "min"), fitted({index}, "max")'
            yield "constant = low == high"
            yield "x = torch.where(constant, 0.0, (x.double() - low) / torch.where(constant, 1.0, high - low))"
        case "Normalize":
            yield "shape = (-1, 1, 1) if x.ndim == 4 else (-1,)"
            yield f'x = (x.double() - fitted({index}, "mean").reshape(shape)) / fitted({index}, "std").reshape(shape)'
        case "Resize":
            size = step["size"] if isinstance(step["size"], list) else [step["size"]] * 2
            options = f'size={literal(tuple(size))}, mode="bilinear", align_corners=False'
            yield f"x = nn.functional.interpolate(x.double(), {options})"
        case "ToFloat":
            if "largest" in step:  # whole numbers, at this step
                yield f'x = x.double() / fitted({index}, "largest")'
        case "Impute":
            yield f'x = torch.where(x.isnan(), fitted({index}, "values"), x.double())'
        case "OneHot":
            yield f"x, columns = one_hot(x, {literal(step['columns'])}, columns)"
        case "Ordinal":
            yield f"x = ordinal(x, {literal(step['columns'])}, columns)"


def tokenizing(step: dict[str, Any]) -> Iterator[str]:
    """The contract's Tokenize."""
    yield VOCABULARY
    lines = ['text = unicodedata.normalize("NFC", text)', *(["text = text.lower()"] if step["lowercase"] else [])]
    yield block("def tokens_of(text):", [*lines, TOKENS[step["level"]]])
    doc = '"""Texts as token numbers [n, length]: 0 is padding, 1 a token outside the vocabulary."""'
    if step.get("block_size") is not None:
        yield STREAM
        return
    length = step["max_length"]
    body = [
        f"numbers = [PLACES.get(token, 1) for token in tokens_of(text)[:{length}]] or [1]",
        "x[row, : len(numbers)] = torch.tensor(numbers)",
    ]
    made = f"x = torch.zeros(len(texts), {length}, dtype=torch.int64)"
    yield block("def preprocess(texts):", [doc, made, block("for row, text in enumerate(texts):", body), "return x"])
