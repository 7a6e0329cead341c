"""Whether the layers of a network fit together, and which is the first that does not."""

from collections.abc import Collection
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.evaluation import forward

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ADDITIONS = ("add", "add_", "__add__", "__iadd__")


class ContradictionError(ValueError):
    """Layers that do not fit together; names the first that contradicts those before it."""


def check(model: nn.Module, example: Inputs, settle: Collection[str] = ()) -> None:
    """Run a network on an `example` batch; ContradictionError where a layer does not fit those before it.

    Convolutions in groups to `settle` are given, in place, as many groups of their weights' size as what they read has.
    """
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (*CONVS, nn.Linear, _BatchNorm)):
            handles.append(module.register_forward_pre_hook(partial(_check_reads, name, name in settle)))
        if isinstance(module, (*CONVS, nn.Linear)):
            handles.append(module.register_forward_hook(partial(_sign, name)))
    try:
        with _HandingOn():
            forward(model, example)
    except ContradictionError:
        raise
    except Exception as error:  # whatever its forward pass raises where sizes are others than its author thought
        raise ContradictionError(
            say("its forward pass fails with the widths in the file ({reason})", reason=_reason(error))
        ) from error
    finally:
        for handle in handles:
            handle.remove()


class _HandingOn(TorchFunctionMode):
    """Hands on, from tensor to tensor, which layers wrote it, and names them where an operation fails."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See TorchFunctionMode."""
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor) and _writers(each)]
        try:
            result = func(*args, **(kwargs or {}))
        except RuntimeError as error:
            raise ContradictionError(
                _clash(getattr(func, "__name__", "") or say("an operation"), given, error)
            ) from error
        writers = tuple(dict.fromkeys(name for each in given for name in _writers(each)))
        for each in tree_leaves(result) if writers else ():
            if isinstance(each, Tensor):
                each.writers = writers  # type: ignore[attr-defined]
        return result


def _sign(name: str, module: nn.Module, inputs: object, output: Any) -> None:
    output.writers = (name,)


def _writers(value: Tensor) -> tuple[str, ...]:
    """The layers that wrote a tensor, the last at the end; none for an image, or a weight."""
    return getattr(value, "writers", ())


def _check_reads(name: str, settle: bool, module: Any, inputs: tuple[Any, ...]) -> None:
    """ContradictionError unless a layer is given as much as it reads."""
    value: Tensor = inputs[0]
    if isinstance(module, nn.Linear):
        given, reads, what = value.shape[-1], module.in_features, say("{n:,} numbers", n=module.in_features)
    else:
        given = value.shape[1]
        reads = module.num_features if isinstance(module, _BatchNorm) else module.in_channels
        what = say("{n:,} channels", n=reads)
    if settle:
        size = module.weight.shape[1]
        if given % size or module.out_channels % (given // size):
            reads = module.in_channels
            what = say("{n:,} channels in groups of {size:,}", n=reads, size=size)
        else:
            module.in_channels, module.groups, reads = given, given // size, given
    if reads != given:
        raise ContradictionError(
            say("{layer} reads {what} in the file, but {given}", layer=name, what=what, given=_gives(value, given))
        )


def _gives(value: Tensor, given: int) -> str:
    """Who writes what a layer is given: "conv1 writes 12"."""
    writers = _writers(value)
    if not writers:
        return say("is given {n:,}", n=given)
    alone = value.ndim == 4
    return say(
        "{writer} writes {n:,}" if alone else "is given {n:,}, which {writer} writes", writer=writers[-1], n=given
    )


def _clash(operation: str, given: list[Tensor], error: Exception) -> str:
    """What is said of tensors that an operation does not take together."""
    if operation in ADDITIONS and len(given) == 2 and given[0].ndim == given[1].ndim > 1:
        (one, other), (here, there) = (_writers(each)[-1] for each in given), (each.shape[1] for each in given)
        if here != there:
            return say(
                "{one} writes {here:,} channels in the file, but {other}, to which they are added, writes {there:,}",
                one=one,
                here=here,
                other=other,
                there=there,
            )
    return say(
        "{operation} does not take what is written in the file by {writers} ({reason})",
        operation=operation,
        writers=listed(dict.fromkeys(_writers(each)[-1] for each in given)) or say("an image"),
        reason=_reason(error),
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
