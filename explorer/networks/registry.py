"""The networks by name: the labs' own, torchvision's classification networks as "torchvision/NAME", timm's as
"timm/NAME", and "own/NAME" for those that come with their code (see `code`).

To know of them needs no torch; to build one imports it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from explorer.images.lazy_torchvision import import_torchvision
from explorer.images.registry import Shape
from explorer.language.saying import kept, listed, say

if TYPE_CHECKING:
    from torch import nn

TORCHVISION = "torchvision/"  # before its networks' names: its resnet18 has another stem than lab C's
TIMM = "timm/"
OWN = "own/"  # before the names of networks that come with their code
WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": False}  # heads for training alone; weights come from a file
TORCHVISION_OPTIONS = {"googlenet": WITHOUT_AUXILIARY, "inception_v3": WITHOUT_AUXILIARY}


@dataclass(frozen=True)
class ModelInfo:
    """A network of the registry: how to build it, and which layer its lab prunes."""

    name: str
    title: str
    description: str
    layer: str  # empty for the last convolution before the logits
    builder: Callable[..., nn.Module]  # of the images' shape, the number of classes, and further options
    inputs: int = 1  # images that it looks at together
    any_size: bool = False  # whether images of another size than the one it was built for fit, too


def _side(name: str, shape: Shape, factor: int) -> int:
    """The side of the square images that a network takes; ValueError unless `factor` divides it."""
    _, height, width = shape
    if height != width or height % factor:
        raise ValueError(
            say(
                "{network} needs square images with a side that {factor} divides, not {height} × {width}",
                network=name,
                factor=factor,
                height=height,
                width=width,
            )
        )
    return height


def _architectures() -> Any:
    """The module with the labs' own networks, imported when the first is built."""
    from explorer.networks import architectures

    return architectures


def _simple_cnn(shape: Shape, classes: int) -> nn.Module:
    return _architectures().SimpleCNN(shape[0], _side("simple-cnn", shape, 4), classes)


def _siamese(shape: Shape, classes: int) -> nn.Module:
    if classes != 2:
        raise ValueError(
            say("siamese tells 2 classes apart, different and same, not {n}; use pairs of images", n=classes)
        )
    return _architectures().Siamese(shape[0], _side("siamese", shape, 4))


def _resnet18(shape: Shape, classes: int) -> nn.Module:
    return _architectures().resnet18(shape[0], classes)


def _lab_resnet(shape: Shape, classes: int) -> nn.Module:
    _side("lab-resnet", shape, 4)
    return _architectures().LabResNet(shape[0], classes)


def _block_net(shape: Shape, classes: int) -> nn.Module:
    return _architectures().BlockNet(shape[0], _side("block-net", shape, 4), classes)


MODELS: dict[str, ModelInfo] = {
    "simple-cnn": ModelInfo(
        name="simple-cnn",
        title="SimpleCNN",
        description="Two 3×3 convolutions with max-pooling, then two linear layers (lab A).",
        layer="conv2",
        builder=_simple_cnn,
    ),
    "siamese": ModelInfo(
        name="siamese",
        title="Siamese network",
        description="Do two images show the same digit? One encoder sees both, a small head compares (lab B).",
        layer="encoder.features.3",
        builder=_siamese,
        inputs=2,
    ),
    "resnet18": ModelInfo(
        name="resnet18",
        title="ResNet-18",
        description="Eight residual blocks of two 3×3 convolutions, 11 million parameters (lab C).",
        layer="layer2.1.conv2",
        builder=_resnet18,
        any_size=True,
    ),
    "lab-resnet": ModelInfo(
        name="lab-resnet",
        title="Lab ResNet",
        description="Two residual blocks whose shortcuts are convolutions, too (lab D).",
        layer="res2.feature2.0",
        builder=_lab_resnet,
        any_size=True,
    ),
    "block-net": ModelInfo(
        name="block-net",
        title="BlockNet",
        description="Two 3×3 convolutions of 64 channels, then two linear layers with dropout (lab E).",
        layer="conv2",
        builder=_block_net,
    ),
}


def model_info(name: str) -> ModelInfo:
    """The registry's entry for `name`, or that of a network from elsewhere; ValueError lists known names."""
    if name.startswith(TORCHVISION):
        return _torchvision_info(name.removeprefix(TORCHVISION))
    if name.startswith(TIMM):
        return _timm_info(name.removeprefix(TIMM))
    if name.startswith(OWN):
        return _own_info(name.removeprefix(OWN))
    if name not in MODELS:
        raise ValueError(say("unknown model {name!r}; choose one of: {known}", name=name, known=listed(sorted(MODELS))))
    return MODELS[name]


@lru_cache(maxsize=1)
def torchvision_networks() -> tuple[str, ...]:
    """The names of torchvision's classification networks, as torchvision itself has them; imports torchvision."""
    models = import_torchvision("models")
    return tuple(models.list_models(module=models))


@kept(128)
def _torchvision_info(arch: str) -> ModelInfo:
    if arch not in (known := torchvision_networks()):
        raise ValueError(
            say(
                "torchvision has no classification network {name!r}; {closest}",
                name=arch[:80],
                closest=nearest(arch, known),
            )
        )
    return ModelInfo(
        name=TORCHVISION + arch,
        title=say("torchvision's {network}", network=arch),
        description=say("{network} as torchvision builds it, with weights from a file.", network=arch),
        layer="",
        builder=partial(_torchvision_network, arch),
    )


def nearest(name: str, known: Sequence[str]) -> str:
    """The three known names that are closest to one that is not."""
    return say("the closest are: {names}", names=listed(difflib.get_close_matches(name, known, n=3, cutoff=0.0)))


def _torchvision_network(
    arch: str, shape: Shape, classes: int, stem: str = "", head: str = "", **options: Any
) -> nn.Module:
    """One of torchvision's, for images of 3 channels, with the stem and the head that people give it."""
    if shape[0] != 3:
        raise ValueError(
            say(
                "torchvision's {network} looks at images of 3 channels, not {n}; use colour images",
                network=arch,
                n=shape[0],
            )
        )
    given = {"num_classes": classes, **TORCHVISION_OPTIONS.get(arch, {}), **options}
    model = import_torchvision("models").get_model(arch, weights=None, **given)
    if stem or head:
        from explorer.networks import adapting

        return adapting.adapted(model, arch, stem, head)
    return model


def _timm_info(arch: str) -> ModelInfo:
    return ModelInfo(
        name=TIMM + arch,
        title=say("timm's {network}", network=arch),
        description=say("{network} as timm builds it, with weights from a file.", network=arch),
        layer="",
        builder=partial(_timm_network, arch),
    )


def _timm_network(arch: str, shape: Shape, classes: int, **options: Any) -> nn.Module:
    try:
        import timm  # optional
    except ImportError:
        raise ValueError(
            say("timm, which builds {network}, is not installed; run: pip install timm", network=arch)
        ) from None
    if not timm.is_model(arch):
        closest = nearest(arch, timm.list_models())
        raise ValueError(say("timm has no network {name!r}; {closest}", name=arch[:80], closest=closest))
    given = {"num_classes": classes, "in_chans": shape[0], **options}
    return timm.create_model(
        arch, pretrained=False, checkpoint_path="", **given
    )  # which would unpickle: never an option


def _own_info(name: str) -> ModelInfo:
    return ModelInfo(
        name=OWN + name,
        title=name,
        description=say("{network}, built by the code that was imported with it.", network=name),
        layer="",
        builder=partial(_no_code, name),
    )


def _no_code(name: str, *_: Any, **__: Any) -> nn.Module:
    raise ValueError(
        say("{network} is built by code of its own, which is not here; import the network again", network=name)
    )


def build(
    name: str, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """A new, randomly initialised network for images of `shape` (C, H, W); `options` are for those from elsewhere."""
    info = model_info(name)
    if options and name in MODELS:
        raise ValueError(say("{network} takes no options, but was given {given}", network=name, given=listed(options)))
    return info.builder(shape, classes, **(options or {}))
