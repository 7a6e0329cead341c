"""The textbook networks, in one registry; and torchvision's classification networks, by "torchvision/NAME"."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from explorer.data import import_torchvision

Shape = tuple[int, int, int]  # (C, H, W) of one image
TORCHVISION = "torchvision/"  # before its networks' names: its resnet18 has another stem than lab C's
WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": False}  # heads for training alone; weights come from a file
TORCHVISION_OPTIONS = {"googlenet": WITHOUT_AUXILIARY, "inception_v3": WITHOUT_AUXILIARY}


class SimpleCNN(nn.Module):
    """Two convolutions and two linear layers, the network of lab A.

    Takes images (N, channels, size, size), size a multiple of 4; gives logits (N, classes).
    """

    def __init__(self, channels: int = 3, size: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(32 * (size // 4) ** 2, 256)
        self.fc2 = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of images x (N, C, H, W)."""
        x = self.pool(self.relu(self.conv1(x)))  # (N, 16, H/2, W/2)
        x = self.pool(self.relu(self.conv2(x)))  # (N, 32, H/4, W/4)
        x = self.relu(self.fc1(x.flatten(1)))  # (N, 256)
        return self.fc2(x)  # (N, classes)


class Encoder(nn.Module):
    """The half of lab B's network that looks at one image: images (N, channels, size, size) to codes (N, 64)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.code = nn.Sequential(nn.Linear(32 * (size // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 64))

    def forward(self, x: Tensor) -> Tensor:
        """Codes (N, 64) of images x (N, C, H, W)."""
        return self.code(self.features(x).flatten(1))


class Siamese(nn.Module):
    """The network of lab B: do two images show the same digit? Both go through one encoder.

    Gives one logit (N, 1) a pair: "same" where it is at least 0, which is where its sigmoid is at least ½.
    """

    def __init__(self, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        self.encoder = Encoder(channels, size)
        self.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits (N, 1) of pairs of images, each (N, C, H, W)."""
        one, other = self.encoder(first), self.encoder(second)  # (N, 64)
        return self.head(torch.cat([(one - other).abs(), one * other], dim=1))


def _conv_bn_relu(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class LabBlock(nn.Module):
    """Lab D's residual block: (N, inputs, H, W) to (N, outputs, H + 2, W + 2).

    The last feature convolution is 1×1 with padding 1, so that the outermost ring of its output holds only its bias;
    the shortcut that is added to it is a convolution, too.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.feature1 = nn.Sequential(*_conv_bn_relu(inputs, inputs), *_conv_bn_relu(inputs, inputs))
        self.feature2 = nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=1, padding=1), nn.BatchNorm2d(outputs))
        self.down_sample = nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=3, padding=2), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output (N, outputs, H + 2, W + 2) of x (N, inputs, H, W)."""
        return self.relu(self.feature2(self.feature1(x)) + self.down_sample(x))


class LabResNet(nn.Module):
    """The network of lab D, for images (N, channels, size, size); gives logits (N, classes).

    Comments give the shapes of a 32×32 image; stem, first block and head are our own.
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        conv = nn.Conv2d(channels, 64, kernel_size=3, padding=1, bias=False)
        self.stem = nn.Sequential(conv, nn.MaxPool2d(2), nn.BatchNorm2d(64), nn.ReLU())  # pooled early: less to compute
        self.res1 = LabBlock(64, 128)
        self.pool = nn.MaxPool2d(2)
        self.res2 = LabBlock(128, 256)
        self.fc = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of images x (N, C, H, W)."""
        x = self.stem(x)  # (N, 64, 16, 16)
        x = self.pool(self.res1(x))  # (N, 128, 9, 9), pooled from 18×18
        x = self.res2(x)  # (N, 256, 11, 11)
        return self.fc(x.mean((2, 3)))  # (N, classes)


class BlockNet(nn.Module):
    """The network of lab E's article, for images (N, channels, size, size); gives logits (N, classes)."""

    def __init__(self, channels: int = 3, size: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * (size // 4) ** 2, 128)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of images x (N, C, H, W)."""
        x = self.pool(self.relu(self.conv1(x)))  # (N, 64, H/2, W/2)
        x = self.pool(self.relu(self.conv2(x)))  # (N, 64, H/4, W/4)
        x = self.dropout(self.relu(self.fc1(x.flatten(1))))  # (N, 128)
        return self.fc2(x)  # (N, classes)


def resnet18(channels: int = 3, classes: int = 10) -> nn.Module:
    """Lab C's network: torchvision's ResNet-18 with the CIFAR stem, a 3×3 convolution of stride 1 and no max-pool.

    Takes images (N, channels, H, W); gives logits (N, classes). Modules are named as torchvision names them.
    """
    resnet = import_torchvision("models.resnet")
    model = resnet.ResNet(resnet.BasicBlock, [2, 2, 2, 2], num_classes=classes)
    model.conv1 = nn.Conv2d(channels, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model


@dataclass(frozen=True)
class ModelInfo:
    """A network of the registry: how to build it, and which layer its lab prunes."""

    name: str
    title: str
    description: str
    layer: str  # empty for the last convolution before the logits
    builder: Callable[[Shape, int], nn.Module]
    inputs: int = 1  # images that it looks at together
    any_size: bool = False  # whether images of another size than the one it was built for fit, too


def _side(name: str, shape: Shape, factor: int) -> int:
    """The side of the square images that a network takes; ValueError unless `factor` divides it."""
    _, height, width = shape
    if height != width or height % factor:
        raise ValueError(f"{name} needs square images with a side that {factor} divides, not {height} × {width}")
    return height


def _simple_cnn(shape: Shape, classes: int) -> nn.Module:
    return SimpleCNN(shape[0], _side("simple-cnn", shape, 4), classes)


def _siamese(shape: Shape, classes: int) -> nn.Module:
    if classes != 2:
        raise ValueError(f"siamese tells 2 classes apart, different and same, not {classes}; use pairs of images")
    return Siamese(shape[0], _side("siamese", shape, 4))


def _resnet18(shape: Shape, classes: int) -> nn.Module:
    return resnet18(shape[0], classes)


def _lab_resnet(shape: Shape, classes: int) -> nn.Module:
    _side("lab-resnet", shape, 4)
    return LabResNet(shape[0], classes)


def _block_net(shape: Shape, classes: int) -> nn.Module:
    return BlockNet(shape[0], _side("block-net", shape, 4), classes)


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
    """The registry's entry for `name`, or torchvision's network "torchvision/NAME"; ValueError lists known names."""
    if name.startswith(TORCHVISION):
        return _torchvision_info(name.removeprefix(TORCHVISION))
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of: {', '.join(sorted(MODELS))}")
    return MODELS[name]


@lru_cache(maxsize=1)
def torchvision_networks() -> tuple[str, ...]:
    """The names of torchvision's classification networks, as torchvision itself has them; imports torchvision."""
    models = import_torchvision("models")
    return tuple(models.list_models(module=models))


@lru_cache(maxsize=128)
def _torchvision_info(arch: str) -> ModelInfo:
    if arch not in (known := torchvision_networks()):
        near = ", ".join(difflib.get_close_matches(arch, known, n=5, cutoff=0.4)) or ", ".join(known)
        raise ValueError(f"torchvision has no classification network {arch!r}; did you mean one of: {near}?")
    return ModelInfo(
        name=TORCHVISION + arch,
        title=f"torchvision's {arch}",
        description=f"{arch} as torchvision builds it, with weights from a file.",
        layer="",
        builder=partial(_torchvision_network, arch),
    )


def _torchvision_network(arch: str, shape: Shape, classes: int) -> nn.Module:
    if shape[0] != 3:
        raise ValueError(f"torchvision's {arch} looks at images of 3 channels, not {shape[0]}; use colour images")
    options = TORCHVISION_OPTIONS.get(arch, {})
    return import_torchvision("models").get_model(arch, weights=None, num_classes=classes, **options)


def build(name: str, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> nn.Module:
    """A new, randomly initialised network for images of `shape` (C, H, W)."""
    return model_info(name).builder(shape, classes)


def conv_layers(model: nn.Module) -> dict[str, nn.Conv2d]:
    """The model's 2-D convolutions by module name, in the order they are declared."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def last_conv(model: nn.Module) -> str:
    """The name of the last convolution that does not itself give the logits; ValueError where there is none."""
    *layers, _ = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    convs = [name for name in layers if name in conv_layers(model)]
    if not convs:
        raise ValueError(f"{type(model).__name__} has no convolution to prune")
    return convs[-1]


def conv_layer(model: nn.Module, name: str) -> nn.Conv2d:
    """The convolution called `name`; ValueError says what it is instead, and which there are."""
    convs = conv_layers(model)
    if name in convs:
        if "weight" not in convs[name]._parameters:
            raise ValueError(
                f"layer {name!r} computes its weights from others, as weight norm does, so they cannot be set to zero; "
                "remove the parametrization first"
            )
        return convs[name]
    known = ", ".join(convs) or "none"
    modules = dict(model.named_modules())
    if name and name in modules:
        raise ValueError(f"layer {name!r} is a {type(modules[name]).__name__}, not a Conv2d; choose one of: {known}")
    raise ValueError(f"unknown layer {name!r}; choose one of: {known}")
