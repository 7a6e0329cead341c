"""What people change of a library's network before they train it: its stem and its head."""

from typing import Any

from torch import nn

from explorer.language.saying import say

CIFAR = "cifar"  # the stem of a ResNet for small images


def adapted(model: Any, arch: str, stem: str = "", head: str = "") -> nn.Module:
    """The network, changed, with another stem or head where one is named.

    The stem "cifar", of a ResNet, is 3×3 and leaves the images' size. The head "fc.1" is a sequence in the place of
    fc that ends in the linear layer. ValueError where the network has no such place.
    """
    if stem:
        _put_stem(model, arch, stem)
    if head:
        _put_head(model, arch, head)
    return model


def _put_stem(model: Any, arch: str, stem: str) -> None:
    first = getattr(model, "conv1", None)
    if stem != CIFAR or not isinstance(first, nn.Conv2d) or not hasattr(model, "maxpool"):
        raise ValueError(
            say(
                "there is no stem {stem!r} for {network}; stem=cifar is for torchvision's ResNets alone",
                stem=stem,
                network=arch,
            )
        )
    model.conv1 = nn.Conv2d(first.in_channels, first.out_channels, 3, padding=1, bias=first.bias is not None)
    model.maxpool = nn.Identity()


def _put_head(model: Any, arch: str, head: str) -> None:
    owner, _, place = str(head).rpartition(".")
    linear = dict(model.named_modules()).get(owner)
    if not isinstance(linear, nn.Linear) or not place.isdecimal() or int(place) > 99:
        raise ValueError(
            say(
                "there is no head {head!r} for {network}; it is its linear layer's name and a number, as fc.1",
                head=head,
                network=arch,
            )
        )
    before = [nn.Identity() for _ in range(int(place))]  # dropout, which does nothing to a network that is trained
    model.set_submodule(owner, nn.Sequential(*before, linear))
