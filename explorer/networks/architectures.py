"""The five labs' networks."""

import torch
from torch import Tensor, nn

from explorer.images.lazy_torchvision import import_torchvision


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
