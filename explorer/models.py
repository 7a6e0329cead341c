"""The textbook networks, in one registry."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


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


@dataclass(frozen=True)
class ModelInfo:
    """A network of the registry: how to build it, and which layer its lab prunes."""

    name: str
    title: str
    description: str
    layer: str
    builder: Callable[[tuple[int, int, int], int], nn.Module]


def _simple_cnn(shape: tuple[int, int, int], classes: int) -> nn.Module:
    channels, height, width = shape
    if height != width or height % 4:
        raise ValueError(f"simple-cnn needs square images with a side that 4 divides, not {height} × {width}")
    return SimpleCNN(channels, height, classes)


MODELS: dict[str, ModelInfo] = {
    "simple-cnn": ModelInfo(
        name="simple-cnn",
        title="SimpleCNN",
        description="Two 3×3 convolutions with max-pooling, then two linear layers (lab A).",
        layer="conv2",
        builder=_simple_cnn,
    ),
}


def model_info(name: str) -> ModelInfo:
    """The registry's entry for `name`; ValueError lists the known names."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of: {', '.join(sorted(MODELS))}")
    return MODELS[name]


def build(name: str, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> nn.Module:
    """A new, randomly initialised network for images of `shape` (C, H, W)."""
    return model_info(name).builder(shape, classes)


def conv_layers(model: nn.Module) -> dict[str, nn.Conv2d]:
    """The model's 2-D convolutions by module name, in the order they are declared."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def conv_layer(model: nn.Module, name: str) -> nn.Conv2d:
    """The convolution called `name`; ValueError says what it is instead, and which there are."""
    convs = conv_layers(model)
    if name in convs:
        return convs[name]
    known = ", ".join(convs) or "none"
    modules = dict(model.named_modules())
    if name and name in modules:
        raise ValueError(f"layer {name!r} is a {type(modules[name]).__name__}, not a Conv2d; choose one of: {known}")
    raise ValueError(f"unknown layer {name!r}; choose one of: {known}")
