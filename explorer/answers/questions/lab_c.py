"""Lab C: inputs for outputs, the shortcut and the blocks."""

from functools import partial

from explorer.answers.labs import Lab
from explorer.answers.questions.common import versus
from explorer.answers.questions.question import Blocks, Found, Question, way
from explorer.answers.questions.sentences import middle_of, name_of_most
from explorer.engine.scans import Scan
from explorer.engine.tables import class_table
from explorer.show.words import percent, points


def blocks(found: Found) -> str:
    """Which block a network can do without."""
    scan: Scan = found["Blocks"]
    change, names = scan.change, scan.names
    least, most, last = int(change.argmax()), int(change.argmin()), len(names) - 1
    return (
        f"Of {len(names)} blocks {names[least]} matters least: pruned whole, it changes accuracy by "
        f"{points(change[least])} points, and {names[most]} most, {points(change[most])}. The last block, "
        f"{names[last]}, is worth {points(change[last])}, over {scan.done:,} test images."
    )


def carried(found: Found) -> str:
    """What is left when a layer inside of a residual block is gone."""
    curve = found["As assigned"]
    k, guess = curve.ks[-1], float(curve.class_totals.max() / curve.done)
    low, high = (float(end[-1]) for end in curve.intervals)
    start = (
        f"With K = {k} of {curve.channels} channels pruned {percent(float(curve.accuracy[-1]))} are still right (95 % "
        f"interval {percent(low)} to {percent(high)}); always naming the largest class would give {percent(guess)}."
    )
    return f"{start} What is right beyond that goes around the layer." if low > guess else start


def classes(found: Found) -> str:
    """Which class half of the channels hurt most and least."""
    curve = found["As assigned"]
    k = middle_of(curve)
    table = class_table(curve, k).dropna(subset=["change"])
    worst, best = table.loc[table["change"].idxmin()], table.loc[table["change"].idxmax()]
    name, count = name_of_most(curve, k)
    return (
        f"No: at K = {k} {worst['class']} changes most, from {percent(worst['before'])} to "
        f"{percent(worst['accuracy'])}, and {best['class']} from {percent(best['before'])} to "
        f"{percent(best['accuracy'])}. Of {curve.done:,} images {count:,} are now called {name}."
        if worst["change"] != best["change"]
        else f"Yes: at K = {k} each class changes by {points(worst['change'])} points."
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
        Question("blocks", "Which block could this network do without?", {"Blocks": Blocks(lab.checkpoint)}, blocks),
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
