"""A network without what was wrapped around its weights."""

from typing import Any, cast

from torch import nn
from torch.nn.utils import parametrize, prune


def plain(model: nn.Module) -> nn.Module:
    """The model in float32, each weight a parameter of its own: masks, weight norm and spectral norm are folded.

    What torch.compile or DataParallel put around the whole of it is gone, too.
    """
    model = unwrapped(model)
    for module in model.modules():
        if isinstance(held := getattr(module, "parametrizations", None), nn.ModuleDict):
            for name in list(held):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for hook in list(module._forward_pre_hooks.values()):
            _fold(module, hook)
    return model.float()


def unwrapped(model: nn.Module) -> nn.Module:
    """The model without torch.compile and DataParallel around it."""
    while isinstance(model, nn.DataParallel) or hasattr(model, "_orig_mod"):
        model = model.module if isinstance(model, nn.DataParallel) else cast(nn.Module, model._orig_mod)
    return model


def _fold(module: nn.Module, hook: Any) -> None:
    """Undo what `torch.nn.utils` did to a module by a hook, keeping the weight as it is computed."""
    if isinstance(hook, prune.BasePruningMethod):
        prune.remove(module, hook._tensor_name)
    elif type(hook).__name__ == "WeightNorm":
        nn.utils.remove_weight_norm(module, hook.name)
    elif type(hook).__name__ == "SpectralNorm":
        nn.utils.remove_spectral_norm(module, hook.name)
        for key, held in list(module._load_state_dict_pre_hooks.items()):  # which PyTorch forgets to remove
            if type(getattr(held, "hook", held)).__name__ == "SpectralNormLoadStateDictPreHook":
                del module._load_state_dict_pre_hooks[key]
