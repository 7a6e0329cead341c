"""What came of an exercise, in sentences: for the report, and for the page that shows it first."""

from dataclasses import asdict
from typing import Any

from explorer.answers.exercise import Duel, Outcome, Point
from explorer.reports.texts import Language
from explorer.reports.writer import criterion_title


def sentences(outcome: Outcome, language: Language, examples: str) -> list[str]:
    """The mean error, the cliff, the steepest drop, the duel and each surprise.

    `examples` is the language's word for images or pairs.
    """
    found = [language.say("exercise.mean_error", ks=len(outcome.points), mean_error=outcome.mean_error)]
    found += [_cliff(outcome, language), _drop(outcome, language)]
    if outcome.duel:
        found.append(_duel(outcome.duel, language))
    return [*found, *(_surprise(point, language, examples) for point in outcome.surprises)]


def _surprise(point: Point, language: Language, examples: str) -> str:
    """One K: what was expected, what was measured, and which class explains it."""
    values: dict[str, Any] = asdict(point) | {"error": abs(point.error), "examples": examples}
    kind = "less" if point.error < 0 else "more" if point.error > 0 else "exact"
    return language.say(f"exercise.{kind}", **values)


def _cliff(outcome: Outcome, language: Language) -> str:
    expected, cliff = outcome.cliff_expected, outcome.cliff
    kind = "later" if cliff > expected else "sooner" if cliff < expected else "right"
    return language.say(f"exercise.cliff_{kind}", expected=expected, cliff=cliff)


def _drop(outcome: Outcome, language: Language) -> str:
    if outcome.drop is None:
        return language.say("exercise.drop_none", expected=outcome.drop_expected)
    kind = "later" if outcome.drop_off < 0 else "sooner" if outcome.drop_off > 0 else "right"
    first, last = outcome.drop
    values = {"expected": outcome.drop_expected, "first": first, "last": last, "off": abs(outcome.drop_off)}
    return language.say(f"exercise.drop_{kind}", **values)


def _duel(found: Duel, language: Language) -> str:
    """Which of two criteria was expected to win, and which did."""
    kind = "even" if found.winner is None else "right" if found.winner == found.expected else "wrong"
    titles = {name: criterion_title(language, getattr(found, name)) for name in ("one", "other", "expected")}
    return language.say(f"exercise.duel_{kind}", **titles, **asdict(found.apart))
