"""Questions about what a lab teaches: each says what it takes to answer it, and answers from what was measured.

An answer is whole sentences with the measured numbers in them. Which sentence it is depends on them, too: nothing is
said to be higher, lower or the same unless it was measured so.
"""

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS, Lab
from explorer.answers.questions import lab_a, lab_b, lab_c, lab_d, lab_e
from explorer.answers.questions.question import Question, is_band

OF_LABS = {"A": lab_a, "B": lab_b, "C": lab_c, "D": lab_d, "E": lab_e}
QUESTIONS: dict[str, tuple[Question, ...]] = {name: of.questions(LABS[name]) for name, of in OF_LABS.items()}


def asked_by(lab: Lab) -> list[Experiment]:
    """Every curve that the questions about a lab take, each once; bands and scans are not among them."""
    takes = (evidence for question in QUESTIONS[lab.name] for evidence in question.takes.values())
    return list(dict.fromkeys(each for each in takes if isinstance(each, Experiment) and not is_band(each)))
