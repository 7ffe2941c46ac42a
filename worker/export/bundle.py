"""A trained model as model.py: torch alone, with the preprocessing that was fitted."""

from worker.training.config import Component
from worker.training.losses import BINARY_LOSSES, CLASS_LOSSES

from .code import block
from .data import LOAD, LOADING
from .models import model_source
from .prepared import Prepared
from .serving import preprocessing

READ = """HERE = Path(__file__).parent
FITTED = json.loads((HERE / "fitted.json").read_text())
CLASSES = json.loads((HERE / "classes.json").read_text())"""
MODEL = '''def load(path=HERE / "weights.safetensors"):
    """The model with its weights, in eval mode."""
    model = build()
    model.load_state_dict(tensors(path))
    return model.eval()'''
IMPORTS = ("json", "math", "re", "unicodedata")


def model_script(prepared: Prepared, title: str) -> str:
    """Source with `load`, and where the model takes data `preprocess` and `predict`."""
    model = model_source(prepared["model"])
    read = LOAD.replace("def load(", "def tensors(").replace("Path(__file__).with_name(path)", "Path(path)")
    parts = [READ, LOADING[0], *model.definitions, block("def build():", [f"return {model.build}"]), read, MODEL]
    if prepared["loss"] is not None:
        parts += [*preprocessing(prepared), prediction(prepared)]
    body = "\n\n\n".join(parts)
    doc = '"""The model of ' + "".join(sign if sign.isalnum() or sign in " _-." else "?" for sign in ascii(title)[1:-1])
    doc += ': load(), and with it preprocess() and predict().\n\nIt needs torch and the files beside it.\n"""'
    imports = [f"import {name}" for name in IMPORTS if f"{name}." in body]
    imports += sorted({"from pathlib import Path", *(line for line in model.imports if not line.startswith("import "))})
    text = "\n".join([doc, "", *imports, "", "import torch", "from torch import nn", "", "", body]) + "\n"
    compile(text, "model.py", "exec")
    return text


def prediction(prepared: Prepared) -> str:
    """`predict`: classes by name where they have one, else the outputs."""
    doc = '"""What the model says of samples as the data set had them: classes, or numbers."""'
    lines = [doc, "x = preprocess(x)", "with torch.no_grad():", "    outputs = model(x)"]
    if prepared["loss"] in CLASS_LOSSES:
        lines.append(f"found = outputs.argmax({classes_at(prepared['model'])})")
    elif prepared["loss"] in BINARY_LOSSES:
        lines.append(f"found = (outputs > {'0.5' if prepared['loss'] == 'BCELoss' else '0'}).long()")
        lines.append("found = found.flatten() if found.numel() == len(x) else found")
    else:
        return block("def predict(model, x):", [*lines, "return outputs"])
    named = "return [CLASSES[i] for i in found.tolist()] if CLASSES and found.ndim == 1 else found"
    return block("def predict(model, x):", [*lines, named])


def classes_at(model: Component) -> str:
    """Source of the dimension of the outputs that has the classes: the last one where each token has an answer."""
    if model["type"] == "GPT":
        return "-1"
    layers = model.get("layers") or model.get("nodes") or []
    takes_tokens = any(layer["type"].startswith("Embedding") for layer in layers)
    return "-1 if outputs.shape[:-1] == x.shape else 1" if takes_tokens else "1"
