"""Lab C: inputs for outputs, the shortcut and the blocks."""

from functools import partial

from explorer.answers.labs import Lab
from explorer.answers.questions.common import versus
from explorer.answers.questions.question import Blocks, Found, Question, way
from explorer.answers.questions.sentences import middle_of, name_of_most
from explorer.engine.scans import Scan
from explorer.engine.tables import class_table
from explorer.language.saying import joined, say
from explorer.show.words import percent, points

RECIPES = "The report's recipe", "Another recipe"  # that trained the lab's networks


def blocks(found: Found) -> str:
    """Which block a network can do without, as each recipe trained it."""
    return joined([*(_blocks_of(recipe, scan) for recipe, scan in found.items()), _last_blocks(*found.values())])


def _blocks_of(recipe: str, scan: Scan) -> str:
    change, names = scan.change, scan.names
    least, most = int(change.argmax()), int(change.argmin())
    low, high = scan.change_intervals
    return say(
        "{recipe}: of {count} blocks {least} matters least, which pruned whole changes accuracy by {smallest} points, "
        "and {most} most, {largest}. The last one, {last}, changes it by {worth} points (95 % interval {low} to "
        "{high}), over {n:,} test images.",
        recipe=say(recipe),
        count=len(names),
        least=names[least],
        smallest=points(change[least]),
        most=names[most],
        largest=points(change[most]),
        last=names[-1],
        worth=points(change[-1]),
        low=points(low[-1]),
        high=points(high[-1]),
        n=scan.done,
    )


def _last_blocks(*scans: Scan) -> str:
    """What the last block of the same network is worth as one recipe trained it, and as another did."""
    lows, highs = zip(*((low[-1], high[-1]) for low, high in (scan.change_intervals for scan in scans)), strict=True)
    if max(lows) > min(highs):
        return say("They differ in their training alone: the recipe decides whether the last block is needed.")
    return say("They differ in their training alone, which does not show in what the last block is worth.")


def carried(found: Found) -> str:
    """What is left when a layer inside of a residual block is gone."""
    curve = found["As assigned"]
    k, guess = curve.ks[-1], float(curve.class_totals.max() / curve.done)
    low, high = (float(end[-1]) for end in curve.intervals)
    start = say(
        "With K = {k} of {channels} channels pruned {right} are still right (95 % interval {low} to {high}); always "
        "naming the largest class would give {guess}.",
        k=k,
        channels=curve.channels,
        right=percent(float(curve.accuracy[-1])),
        low=percent(low),
        high=percent(high),
        guess=percent(guess),
    )
    return joined([start, say("What is right beyond that goes around the layer.") if low > guess else ""])


def classes(found: Found) -> str:
    """Which class half of the channels hurt most and least."""
    curve = found["As assigned"]
    k = middle_of(curve)
    table = class_table(curve, k).dropna(subset=["change"])
    worst, best = table.loc[table["change"].idxmin()], table.loc[table["change"].idxmax()]
    name, count = name_of_most(curve, k)
    if worst["change"] == best["change"]:
        return say("Yes: at K = {k} each class changes by {change} points.", k=k, change=points(worst["change"]))
    return say(
        "No: at K = {k} {worst} changes most, from {worst_before} to {worst_after}, and {best} from {best_before} to "
        "{best_after}. Of {n:,} images {count:,} are now called {name}.",
        k=k,
        worst=worst["class"],
        worst_before=percent(worst["before"]),
        worst_after=percent(worst["accuracy"]),
        best=best["class"],
        best_before=percent(best["before"]),
        best_after=percent(best["accuracy"]),
        n=curve.done,
        count=count,
        name=name,
    )


def questions(lab: Lab) -> tuple[Question, ...]:
    """The questions of lab C."""
    assigned, scripted = way(lab), lab.experiment(lab.variants[1])
    return (
        Question(
            "inputs",
            "The script zeroes the slices that read channel c. Does it matter that others were ranked?",
            {"Outputs, as assigned": assigned, "Inputs, as scripted": scripted},
            partial(
                versus,
                one="Outputs, as assigned",
                other="Inputs, as scripted",
                what="Outputs as they were ranked, against inputs of the same numbers",
            ),
        ),
        Question(
            "shortcut",
            "Almost all channels of the layer are gone. What is left, and who carries it?",
            {"As assigned": assigned},
            carried,
        ),
        Question(
            "blocks",
            "Which block could this network do without? Does it depend on how it was trained?",
            {title: Blocks(name) for title, name in zip(RECIPES, lab.checkpoints, strict=True)},
            blocks,
        ),
        Question(
            "norm",
            "Does it take images to rank? Compare with the sizes of the weights, which need none.",
            {"Mean activation": assigned, "L1 norm": way(lab, criterion="l1")},
            partial(versus, one="Mean activation", other="L1 norm", what="Mean activation against L1 norm"),
        ),
        Question(
            "classes", "Do all classes pay the same for half of the channels?", {"As assigned": assigned}, classes
        ),
    )
