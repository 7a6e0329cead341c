"""Whether something fits a network, asked of a check that raises ValueError where it does not."""

from collections.abc import Callable


def fits(check: Callable[..., object], *asked: object) -> bool:
    """Whether `check(*asked)` raises no ValueError."""
    try:
        check(*asked)
    except ValueError:
        return False
    return True
