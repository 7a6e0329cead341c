"""Build what is asked for by the name of a network: of ours, torchvision's, timm's, or of a file of code."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from explorer.images.registry import DatasetInfo, Shape
from explorer.language.saying import listed, say
from explorer.networks.cards import Source
from explorer.networks.code import Code, Running, build_own, candidates, missing_in, required, why
from explorer.networks.evaluation import forward
from explorer.networks.outputs import find_logits, tensors_of
from explorer.networks.registry import MODELS, OWN, TIMM, TORCHVISION, build, model_info, nearest, torchvision_networks
from explorer.networks.sources import ready
from explorer.networks.widths import Widths, resize
from explorer.own.extracting import Extract, extract
from explorer.own.folder import CODE
from explorer.own.shared import left_alone
from explorer.own.trial import IMAGES, try_out

OURS = "ours:"  # before a name of this app's own, of which torchvision has some, too
TIMM_ASKED = "timm:"
CLASSES = ("num_classes", "n_classes", "classes", "num_class", "nclass", "nb_classes", "n_class", "out_features")
CHANNELS = ("in_channels", "in_chans", "channels", "num_channels", "n_channels", "input_channels", "in_ch")
LARGEST_OPTIONS = 4_000  # letters


@dataclass(frozen=True)
class Blueprint:
    """How to build a network: its name on a card, what else the card says of that, and its code where it has some."""

    model: str
    source: Source
    code: Code | None
    shape: Shape
    classes: int
    widths: Widths = field(default_factory=dict)  # of layers that are narrower than it builds them

    @property
    def title(self) -> str:
        """The network's name for people."""
        return self.model.rpartition("/")[2]

    def network(self) -> nn.Module:
        """The network as it returns what it returns, in eval mode, with weights drawn at random."""
        options = self.source.options
        if self.code is None:
            model = ready(build(self.model, self.shape, self.classes, options), self.shape)
        else:
            model = ready(build_own(self.code, self.title, options), self.shape)
        resize(model, self.widths)
        return model

    def with_options(self, **options: Any) -> "Blueprint":
        """The same with further arguments."""
        return replace(self, source=replace(self.source, options={**self.source.options, **options}))


def blueprint(
    asked: str, info: DatasetInfo, options: Mapping[str, Any], output: str = ""
) -> tuple[Blueprint, nn.Module]:
    """How to build the network `asked` for, for images of `info`, and one that is built so.

    `asked` is ARCH of torchvision, timm:ARCH, ours:NAME, or FILE.py:NAME (or .ipynb; without :NAME the only network in
    it). A file's network is built in a process of its own first. Raises ValueError for whatever goes wrong, and where
    what it returns holds no logits for the data set's classes (see `find_logits`).
    """
    options = _kept_options(options)
    if info.inputs != 1:
        words = "{title} are pairs of images; a network of one's own looks at one image at a time"
        raise ValueError(say(words, title=say(info.title)))
    classes, path = len(info.classes), code_path(asked)
    if path is not None:
        file, name = path
        tried = try_out(file, name, options, info.shape, classes)
        code = extract(file).code
        if code.sha256 != tried.code:
            words = "{file}, or a module beside it, was changed meanwhile; import it again"
            raise ValueError(say(words, file=file.name))
        plan = Blueprint(OWN + tried.name, Source(tried.options, code.sha256), code, info.shape, classes)
        return _reading(plan, tried.outputs, output), plan.network()
    plan = Blueprint(_name_of(asked), Source(options=options), None, info.shape, classes)
    model = _built(plan)
    _check_takes(model, plan.title, info.shape)
    return _reading(plan, outputs_of(model, info.shape), output), model


def code_path(asked: str) -> tuple[Path, str] | None:
    """The file of code, and the name in it, that are asked for; None where it is a name of a network."""
    if asked.startswith((OURS, TIMM_ASKED, TORCHVISION)):
        return None
    for kind in CODE:
        file, dot, name = asked.rpartition(f"{kind}:")
        if dot:
            return Path(file + kind), name
        if asked.endswith(kind):
            return Path(asked), ""
    return None


def parsed(texts: Sequence[str]) -> dict[str, Any]:
    """The arguments in texts such as "num_classes=10"; what is no number, list or other constant is text."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.isidentifier():
            raise ValueError(say("--set {given!r} is not NAME=VALUE, such as num_classes=10", given=text[:80]))
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            if value.lower() in ("true", "false", "none"):
                words = "--set {given} would be a text; write {constant}"
                raise ValueError(say(words, given=text[:80], constant=f"{key}={value.capitalize()}")) from None
            found[key] = value
    return found


def _kept_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a card keeps them, lists for tuples; ValueError for those that it cannot keep."""
    for key, value in options.items():
        if not _is_plain(value):
            raise ValueError(
                say(
                    "an argument must be a finite number, a text, a list, a dict of texts to such, or None, not "
                    "{given}",
                    given=f"{key}={repr(value)[:80]}",
                )
            )
    text = json.dumps(dict(options))
    if len(text) > LARGEST_OPTIONS:
        words = "the arguments have {n:,} letters, more than {most:,}; give fewer"
        raise ValueError(say(words, n=len(text), most=LARGEST_OPTIONS))
    kept: dict[str, Any] = json.loads(text)
    return kept


def _is_plain(value: Any) -> bool:
    """Whether JSON gives the value back as it is, but for tuples."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _name_of(asked: str) -> str:
    """The name, on a card, of a network that is asked for without a file."""
    if asked.startswith(OURS):
        name = asked.removeprefix(OURS)
        if name not in MODELS:
            fix = nearest(name, sorted(MODELS))
            raise ValueError(say("there is no network {asked!r}; {fix}", asked=asked[:80], fix=fix))
        return name
    if asked.startswith(TIMM_ASKED):
        return TIMM + asked.removeprefix(TIMM_ASKED)
    if asked not in torchvision_networks() and asked in MODELS:
        return asked
    return model_info(TORCHVISION + asked.removeprefix(TORCHVISION)).name


def _built(plan: Blueprint) -> nn.Module:
    """The network; what its library says of wrong arguments becomes a sentence."""
    try:
        return plan.network()
    except ValueError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        given = listed(f"{key}={value!r}" for key, value in plan.source.options.items()) or say("no arguments")
        words = "{title} cannot be built with {given} ({why})"
        raise ValueError(say(words, title=plan.title, given=given, why=reason)) from error


def outputs_of(model: nn.Module, shape: Shape) -> dict[str, tuple[int, ...]]:
    """The shapes of the numbers that the network returns for IMAGES blank images, by key; whole ones are no logits."""
    outputs = tensors_of(forward(model, torch.zeros(IMAGES, *shape)))
    return {key: tuple(value.shape) for key, value in outputs if value.is_floating_point()}


def _reading(plan: Blueprint, outputs: Mapping[str, tuple[int, ...]], asked: str) -> Blueprint:
    """The blueprint with where the logits are."""
    try:
        key = find_logits(outputs, plan.classes, IMAGES, asked)
    except ValueError as error:
        raise ValueError(say("{title}: {why}", title=plan.title, why=str(error))) from error
    form = "flat" if len(outputs[key]) == 1 else ""
    return replace(plan, source=replace(plan.source, output=key, form=form))


def _check_takes(model: nn.Module, title: str, shape: Shape) -> None:
    """ValueError unless the network takes images of this shape."""
    try:
        forward(model, torch.zeros(1, *shape))
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError) as error:
        size, reason = " × ".join(map(str, shape)), " ".join(str(error).split())[:200]
        words = "{title} does not take images of {size} ({why}); import the images at the size it was trained with"
        raise ValueError(say(words, title=title, size=size, why=reason)) from error


# In the process of its own


def first_look(path: Path, name: str, options: Mapping[str, Any], shape: Shape, classes: int) -> dict[str, Any]:
    """Build the network of a file and show it blank images: its name, its arguments, and the shapes it returns."""
    found = extract(path)
    try:
        with left_alone(path.name):
            return _looked_at(found, name or _only(found.code), options, shape, classes)
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError):
            raise
        missing = missing_in(found.code)
        reason = why(error, path.name, missing, found.left_out)
        raise ValueError(say("{title}: {why}", title=path.name, why=reason)) from error


def _looked_at(found: Extract, name: str, options: Mapping[str, Any], shape: Shape, classes: int) -> dict[str, Any]:
    """As `first_look`; raises whatever the code does."""
    lacking = [each for each in required(found.code, name) if each not in options]
    options = {**options, **_known(lacking, shape, classes)}
    model = ready(build_own(found.code, name, options, found.left_out), shape)
    _check_takes(model, name, shape)
    return {"name": name, "options": options, "outputs": outputs_of(model, shape), "code": found.code.sha256}


def _only(code: Code) -> str:
    """The network of a file that has one; ValueError lists them where it is not one."""
    there = candidates(Running(code))
    if len(there) != 1:
        names = listed(there[:10]) or say("none: no class in it is an nn.Module")
        example = f"{code.file}:{there[0]}" if there else f"{code.file}:NAME"
        words = "{file} defines {n} networks ({names}); name one, such as {example}"
        raise ValueError(say(words, file=code.file, n=len(there), names=names, example=example))
    return there[0]


def _known(lacking: Sequence[str], shape: Shape, classes: int) -> dict[str, int]:
    """The arguments that the images answer: how many classes there are, and how many channels."""
    answers = dict.fromkeys(CLASSES, classes) | dict.fromkeys(CHANNELS, shape[0])
    return {each: answers[each] for each in lacking if each in answers}
