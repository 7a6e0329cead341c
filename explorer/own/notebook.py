"""From a notebook to the app: a network and the images it is tested on become one's own, and the link to them."""

import ast
import contextlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import torch
from safetensors.torch import save_file
from torch import nn

from explorer.images.datasets import own_datasets
from explorer.images.lazy_torchvision import import_torchvision
from explorer.language.saying import say
from explorer.networks.layers import conv_layer
from explorer.networks.plain import unwrapped
from explorer.networks.registry import torchvision_networks
from explorer.own.building import TIMM_ASKED
from explorer.own.extracting import PYTHON_CELLS
from explorer.own.images import delete_images
from explorer.own.networks import Imported, import_network, plain_name
from explorer.own.tensors import gathered, keep_tensors, levels_of

ADDRESS = "http://localhost:8501"  # where `streamlit run` serves, unless told otherwise


def open_in_app(
    model: nn.Module, loader: Any, layer: str = "", name: str = "", network: str = "", **options: Any
) -> str:
    """Keep a network and the images of a DataLoader as one's own; prints and returns the link to them in the app.

    The loader gives the test images, (N, C, H, W) with labels (N,), normalised as the network takes them; images of 8
    bits, as nearly all are, are kept exactly. The network is known by the code that defines it, the notebook's cells or
    its module's file, called with `options`; or name one of a library as `network` (see `building.blueprint`). `layer`
    is the one to prune, `name` what the network is called. The app that serves at EXPLORER_URL, else on this machine's
    port 8501, shows both at once.

    Raises ValueError where the code does not build this network, or the images are not of 8 bits.

    >>> import explorer as ex
    >>> ex.open(None, [])
    Traceback (most recent call last):
    ValueError: the network is a NoneType, not an nn.Module
    """
    if not isinstance(model, nn.Module):
        raise ValueError(say("the network is a {kind}, not an nn.Module", kind=type(model).__name__))
    model = unwrapped(model)
    if layer:
        conv_layer(model, layer)
    images, labels = gathered(loader)
    levels = levels_of(images)
    classes, title = _classes(loader, int(labels.max()) + 1), type(getattr(loader, "dataset", loader)).__name__
    with _kept(plain_name(title), title, levels.of(images), labels, classes) as dataset, TemporaryDirectory() as place:
        weights = Path(place) / "weights.safetensors"
        save_file({key: value.detach().cpu().clone() for key, value in model.state_dict().items()}, weights)
        asked = network or _network_of(model, Path(place))
        how: dict[str, Any] = {"mean": levels.mean, "std": levels.std, "options": options, "like": model}
        made = import_network(asked, weights, dataset, name, **how)
    address = os.environ.get("EXPLORER_URL", ADDRESS).rstrip("/")
    link = f"{address}/?{urlencode({'checkpoint': made.name} | ({'layer': layer} if layer else {}))}"
    print("\n".join([*_told(made), link, *_hint(address)]))
    return link


@contextlib.contextmanager
def _kept(*images: Any) -> Iterator[str]:
    """The name of a data set made of images, as `keep_tensors` takes them; a new one goes again if no network comes."""
    before = own_datasets()
    name = keep_tensors(*images)
    try:
        yield name
    except BaseException:
        if name not in before:
            with contextlib.suppress(ValueError):  # whoever else needs it by now
                delete_images(name)
        raise


def _classes(loader: Any, least: int) -> list[str]:
    """The names of the classes, as torchvision's data sets have them; else their numbers."""
    names = getattr(getattr(loader, "dataset", None), "classes", None) or []
    return [str(name) for name in names] if len(names) >= max(least, 2) else [str(i) for i in range(max(least, 2))]


def _told(made: Imported) -> Iterator[str]:
    """What is printed of the network."""
    yield f"{made.name}: {100 * made.score.accuracy:.2f} % of {made.score.n:,} test images"
    yield from (f"note: {note}" for note in made.notes)
    if made.warning:
        yield f"warning: {made.warning}"


def _hint(address: str) -> list[str]:
    """How to start the app, where it does not run."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
            return []
    except (OSError, ValueError):
        return ["Nothing answers there yet: start the app with `streamlit run streamlit_app.py`."]


def _network_of(model: nn.Module, folder: Path) -> str:
    """What `building.blueprint` builds the network from: a library's name, or the file that defines its class."""
    kind = type(model)
    if kind.__module__.startswith("torchvision.models"):
        return _torchvision_name(model)
    if kind.__module__.startswith("timm."):
        return f"{TIMM_ASKED}{getattr(model, 'pretrained_cfg', {}).get('architecture', '')}"
    if kind.__module__.startswith("torch."):
        raise ValueError(
            say(
                "an nn.{name} has no code of its own; write a function that builds it into a file, and give "
                "network='FILE.py:FUNCTION'",
                name=kind.__name__,
            )
        )
    if kind.__module__ == "__main__" and (cells := _cells()):
        file = folder / "notebook.py"
        file.write_text(cells, encoding="utf-8")
    else:
        home = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if home is None:
            raise ValueError(
                say(
                    "the code of {name} is in no file; name the one that defines it as `network`",
                    name=kind.__name__,
                )
            )
        file = Path(home)
    return f"{file}:{kind.__name__}"


def _cells() -> str:
    """What was run in this notebook so far; empty outside of one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    ran = shell.user_ns.get("In", []) if shell is not None else []
    return "\n".join(python for cell in ran for python in _python_in(str(cell)))


def _python_in(cell: str) -> Iterator[str]:
    """What ran of a cell: nothing of one that is no Python, and of %%time, which IPython keeps as a call, its text."""
    try:
        tree = ast.parse(cell)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield cell
    for each in tree.body:
        call = each.value if isinstance(each, ast.Expr) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "get_ipython().run_cell_magic":
            kind, _, text = (str(part.value) if isinstance(part, ast.Constant) else "" for part in call.args)
            if f"%%{kind}" in PYTHON_CELLS:
                yield from _python_in(text)


def _torchvision_name(model: nn.Module) -> str:
    """The architecture whose weights have the most names and shapes of the network's."""
    models, kind = import_torchvision("models"), type(model)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    best, most = "", 0
    for arch in torchvision_networks():
        builder = models.get_model_builder(arch)
        if builder.__module__ != kind.__module__:
            continue
        with torch.device("meta"):
            state = models.get_model(arch, weights=None).state_dict()
        shared = sum(shapes.get(key) == value.shape for key, value in state.items()) - abs(len(state) - len(shapes))
        best, most = (arch, shared) if shared > most else (best, most)
    if not best:
        raise ValueError(
            say(
                "torchvision's {name} is no architecture with a name; give the one it is as `network`",
                name=kind.__name__,
            )
        )
    return best
