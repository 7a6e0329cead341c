"""When channels are ranked: once, on the unpruned network, or again after each step of pruning (see `reranking`)."""

from explorer.language.saying import listed, say
from explorer.networks.fitting import fits
from explorer.pruning.criteria import criterion_info

SCHEDULES: dict[str, str] = {
    "once": "Channels are ranked once, on the unpruned network.",
    "rerank": "The network pruned so far is ranked again at each K, and its K lowest channels go, too.",
}
CONSTANT_MODES = ("filter", "weights")  # what a pruned channel puts out is known without running the network


def check_kind(schedule: str, criterion: str, mode: str) -> None:
    """ValueError where the schedule is unknown, or ranking again is not known exactly for the criterion or the mode."""
    if schedule not in SCHEDULES:
        raise ValueError(
            say(
                "unknown schedule {schedule!r}; choose one of: {known}",
                schedule=schedule,
                known=listed(SCHEDULES),
            )
        )
    if schedule == "once":
        return
    if mode not in CONSTANT_MODES:
        raise ValueError(
            say(
                "schedule 'rerank' needs pruned channels that emit a constant, so mode {mode!r} does not fit; "
                "choose one of: {known}",
                mode=mode,
                known=listed(CONSTANT_MODES),
            )
        )
    info = criterion_info(criterion)
    if info.point != "raw" or info.looks_at_norm:
        raise ValueError(
            say(
                "schedule 'rerank' looks at the layer's own output, so criterion {criterion!r} does not fit",
                criterion=criterion,
            )
        )


def fitting_schedules(criterion: str, mode: str, reads_itself: bool) -> list[str]:
    """The schedules that fit, in the registry's order; `reads_itself` as reranking.reads_itself has it of a layer."""
    fitting = [schedule for schedule in SCHEDULES if fits(check_kind, schedule, criterion, mode)]
    return [schedule for schedule in fitting if schedule == "once" or not reads_itself]
