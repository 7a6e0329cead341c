"""A compressed network as files that others read: a checkpoint, PyTorch source, an exported program, ONNX.

Each is checked before it is written: read back, it must give the network's logits. All of them are written, or none.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.onnx
from torch import Tensor, nn

from explorer.compression import source
from explorer.compression.saving import check_alike, save
from explorer.files.errors import sentence
from explorer.files.staging import made, staging
from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint, load
from explorer.networks.evaluation import forward
from explorer.networks.graph import UntraceableError, exclusive

OPSET = 18  # of ONNX: that which PyTorch's exporter writes without converting; FORMATS says so


@dataclass(frozen=True, eq=False)
class Exported:
    """What is exported: a network on the CPU in eval mode, made of a checkpoint's, with its card."""

    name: str
    model: nn.Module
    card: Card
    point: Checkpoint
    example: Inputs  # real images, normalised, on which each format must give the network's logits

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The example as the arguments of the network."""
        return self.example if isinstance(self.example, tuple) else (self.example,)

    @property
    def title(self) -> str:
        """What it is, in words."""
        made = f", made from {self.card.parent.name}" if self.card.parent else ""
        return f"{self.card.model} for {self.card.dataset}{made}"


@dataclass(frozen=True)
class Format:
    """A way to write a network: what it is for, and how it is written into a folder."""

    title: str
    help: str
    write: Callable[[Exported, Path], None]
    files: tuple[str, ...]  # that it writes at least, NAME being that of the network


def check_free(name: str, folder: Path, formats: Sequence[str]) -> None:
    """ValueError for the first file of these formats that is there already, to be found out before the work."""
    for each in formats:
        for file in format_info(each).files:
            _check_free(folder / file.replace("NAME", name))


def _check_free(path: Path) -> None:
    if path.exists():
        raise ValueError(say("{path} is there already; choose another folder, or take it away", path=path))


def export(
    name: str,
    model: nn.Module,
    card: Card,
    point: Checkpoint,
    folder: Path,
    formats: Sequence[str],
    example: Inputs,
) -> list[Path]:
    """Write the network called `name`, that was made of a checkpoint's, into a folder, in each of these formats.

    `card` is what `saving.card_of` gives; `example` is a batch of real images, on which each file, read back, must
    give the network's logits. Returns the files' paths. Raises ValueError for an unknown format, for a file that is
    there already, where the folder cannot be written, and where the network cannot be written in a format: then none
    is written in any.
    """
    for each in formats:
        format_info(each)
    job = Exported(name, model.eval(), card, point, example)
    with _writing(folder), staging(folder, name) as place:
        for each in dict.fromkeys(formats):
            try:
                FORMATS[each].write(job, place)
            except (UntraceableError, ValueError) as error:
                raise ValueError(
                    say(
                        "{name} cannot be written as {each}: {error}",
                        name=name,
                        each=each,
                        error=sentence(error),
                    )
                ) from error
        return _moved(place, folder)


def format_info(name: str) -> Format:
    """The format of that name; ValueError lists the known ones."""
    if name not in FORMATS:
        raise ValueError(say("unknown format {name!r}; choose some of: {known}", name=name[:80], known=listed(FORMATS)))
    return FORMATS[name]


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """ValueError where the folder cannot be written; it is gone at the end where that fails and it was not there."""
    try:
        with made(folder):
            yield
    except OSError as error:
        raise ValueError(
            say(
                "cannot write to {folder}: {error}; choose another folder",
                folder=folder,
                error=sentence(error),
            )
        ) from error


def _moved(place: Path, folder: Path) -> list[Path]:
    """Put the files, which are complete, into the folder; ValueError where one of their names is taken."""
    files = sorted(place.iterdir())
    for file in files:
        _check_free(folder / file.name)
    done: list[Path] = []
    try:
        for file in files:
            done.append(folder / file.name)
            os.replace(file, done[-1])
    except OSError:
        for path in done:
            path.unlink(missing_ok=True)
        raise
    return done


# The formats


def _safetensors(job: Exported, place: Path) -> None:
    path = save(job.name, job.model, job.card, job.point, place)
    check_alike(forward(load(path).model, job.example), forward(job.model, job.example), path.name)


def _source(job: Exported, place: Path) -> None:
    text, state = source.source_of(job.model, job.card, job.title, job.example)
    again = source.network_from(text)
    again.load_state_dict(state)
    check_alike(forward(again.eval(), job.example), forward(job.model, job.example), say("its source"))
    (place / f"{source.STEM}.py").write_text(text, encoding="utf-8")
    (place / f"{source.STEM}.pt").write_bytes(_saved(state))


def _saved(state: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _program(job: Exported, place: Path) -> None:
    buffer = io.BytesIO()
    torch.export.save(_exported(job), buffer)
    buffer.seek(0)
    again = torch.export.load(buffer).module()
    check_alike(_run(again, job.inputs), forward(job.model, job.example), say("its exported program"))
    (place / "network.pt2").write_bytes(buffer.getvalue())


def _run(program: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
    with torch.inference_mode():
        return program(*inputs)


def _exported(job: Exported) -> torch.export.ExportedProgram:
    """The network as a program for any number of images; ValueError where it cannot be one."""
    inputs = tuple(torch.cat([part, part]) for part in job.inputs)  # of one image, it would be a program for one
    batch = tuple({0: torch.export.Dim("batch")} for _ in inputs)
    return _quietly("torch.export", lambda: torch.export.export(job.model, inputs, dynamic_shapes=batch))


def _onnx(job: Exported, place: Path) -> None:
    names = ["images"] if len(job.inputs) == 1 else [f"images{i}" for i in range(1, len(job.inputs) + 1)]
    given: dict[str, Any] = {"input_names": names, "output_names": ["logits"], "opset_version": OPSET}
    program, exporter = _exported(job), torch.onnx.export
    graph = _quietly("torch.onnx.export", lambda: exporter(program, (), dynamo=True, verbose=False, **given))
    content = graph.model_proto.SerializeToString()
    check_alike(_by_onnxruntime(content, names, job.inputs), forward(job.model, job.example), say("its ONNX graph"))
    (place / "network.onnx").write_bytes(content)


def _by_onnxruntime(content: bytes, names: Sequence[str], inputs: Sequence[Tensor]) -> Tensor:
    import onnxruntime  # which takes a while

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = {name: part.contiguous().numpy() for name, part in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(None, given)[0])


def _quietly(what: str, make: Callable[[], Any]) -> Any:
    """What an exporter of PyTorch's makes; ValueError where the network has something that it cannot follow."""
    with exclusive, warnings.catch_warnings(action="ignore"):
        try:
            return make()
        except Exception as error:  # each of its stages has errors of its own
            raise ValueError(
                say(
                    "{what} cannot follow it ({known})",
                    what=what,
                    known=" ".join(str(error).split())[:200],
                )
            ) from error


FORMATS: dict[str, Format] = {
    "safetensors": Format(
        "Checkpoint",
        "weights and card, which ex.load reads: a network like any other",
        _safetensors,
        ("NAME.safetensors", "NAME.json"),
    ),
    "torch": Format(
        "PyTorch source",
        "network.py, which imports torch alone, and its weights network.pt: to train on",
        _source,
        ("network.py", "network.pt"),
    ),
    "pt2": Format(
        "Exported program", "network.pt2 of torch.export, which torch alone runs", _program, ("network.pt2",)
    ),
    "onnx": Format("ONNX", "network.onnx, opset 18, which ONNX Runtime runs without PyTorch", _onnx, ("network.onnx",)),
}
