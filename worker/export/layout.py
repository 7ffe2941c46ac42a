"""A script from its parts: docstring, imports, definitions, and what is run."""

import re
from collections.abc import Iterable

import torch

from .outline import Outline

IMPORTS = {
    "import argparse": r"argparse\.",
    "import copy": r"copy\.deepcopy\(",
    "import json": r"json\.",
    "import math": r"math\.",
    "import os": r"os\.environ",
    "from collections import Counter": r"Counter\(",
    "from collections import OrderedDict": r"OrderedDict\(",
    "from collections.abc import Callable": r"Callable\[",
    "from pathlib import Path": r"Path\(",
    "from typing import Any, NamedTuple": r"NamedTuple\b",
    "from typing import Any": r"Any\b",
    "import sklearn.datasets": r"sklearn\.datasets\.",
    "import torch": r"torch\b",
    "from torch import nn": r"nn\.",
    "from torch.nn.utils.rnn import pack_padded_sequence": r"pack_padded_sequence\(",
    "from torch.optim import Optimizer, lr_scheduler": r"lr_scheduler\.LRScheduler\)",
    "from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn": r"AveragedModel\(",
}
"""With the pattern of the text that wants it."""
STANDARD = ("argparse", "copy", "json", "math", "os", "collections", "pathlib", "typing")
PARSER = """parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--csv", action="store_true", help="print CSV instead of JSON lines")"""
ALL = 'parser.add_argument("--all", action="store_true", help="also the step rows and the test part, with a type")'
SAVE = """parser.add_argument("--save", metavar="FILE", help="write the last weights, as torch.save does")
arguments = parser.parse_args()"""
SHOW = '''columns = []


def show(row%s):
    """One JSON line, or with --csv one line of CSV."""
    row = json.loads(json.dumps(row), parse_constant=str)  # "NaN", "Infinity" and "-Infinity" are words here
%s    if not arguments.csv:
        print(json.dumps(row), flush=True)
        return
    flat = {}
    for key, value in row.items():
        flat |= value if isinstance(value, dict) else {key: value}
    if not columns:
        columns.extend(flat)
        print(",".join(columns))
    texts = [" ".join(map(str, value)) if isinstance(value, list) else str(value) for value in map(flat.get, columns)]
    print(",".join(texts), flush=True)'''
KINDS = """    if arguments.all and not arguments.csv:
        row = {"type": kind, **row}
    elif kind != "epoch":
        return
"""


def parser(outline: Outline) -> str:
    return "\n".join([PARSER, *[ALL] * outline.tells_all, SAVE])


def show(outline: Outline) -> str:
    """The function that prints a row."""
    return SHOW % (', kind="epoch"', KINDS) if outline.tells_all else SHOW % ("", "")


def assembled(docstring: list[str], definitions: Iterable[str], main: list[str], more: Iterable[str]) -> str:
    """`more` are imports that no text of the script gives away."""
    body = "\n\n\n".join([*dict.fromkeys(definitions), "\n".join(main)])
    head = [*docstring, *imported(body, more)]
    text = "\n".join(head) + ("\n\n\n" if body.startswith(("def ", "class ", "@")) else "\n\n") + body + "\n"
    text = re.sub(r"\n{4,}", "\n\n\n", re.sub(r"[ \t]+\n", "\n", text))
    compile(text, "train.py", "exec")  # what is handed out is Python at least
    return text


def docstring(title: str, files: list[str], ended: str | None = None) -> list[str]:
    """`files` lie beside the script; `ended`: which of its epochs the job has a row of, where not of all."""
    name = re.sub(r"[^ -~]|[\\\"]", "?", title)[:200] or "A job of Descent"
    lines = [f'"""{name}, as plain PyTorch {torch.__version__.partition("+")[0]}.', ""]
    lines.append(
        "It prints the job's epochs as JSON lines, bit for bit as recorded (same torch, same kind of machine)."
    )
    if ended:
        lines.append(f"The job ended before its time: the script trains the epochs that it has rows of, {ended}.")
    if files:
        lines.append(f"Beside it: {', '.join(files)}.")
    return [*lines, '"""', ""]


def imported(body: str, more: Iterable[str]) -> list[str]:
    """The standard library first, each part sorted."""
    wanted = [line for line, mark in IMPORTS.items() if re.search(rf"(?<![\w.]){mark}", body)]
    if "from typing import Any, NamedTuple" in wanted and "from typing import Any" in wanted:
        wanted.remove("from typing import Any")
    wanted += more
    standard = [line for line in wanted if line.split()[1].split(".")[0] in STANDARD]
    others = [line for line in wanted if line not in standard]
    for lines in (standard, others):
        lines.sort(key=lambda line: (line.startswith("from"), line))
    return [*standard, "", *others]
