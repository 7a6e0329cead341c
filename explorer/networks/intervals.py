"""Intervals and tests for accuracies: Wilson, Agresti and Min, McNemar, Newcombe, Student."""

import math
from statistics import NormalDist

import numpy as np

Z95 = NormalDist().inv_cdf(0.975)  # 1.96: 95 % of a normal distribution lies within ± Z95 standard deviations


def wilson(correct: np.ndarray | int, n: np.ndarray | int, z: float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval (low, high) of an accuracy, `correct` of `n` right; NaN where n is 0.

    Wilson (1927), *Probable inference, the law of succession, and statistical inference*, J. Am. Stat. Assoc. 22.
    """
    correct, n = np.asarray(correct, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = correct / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def mcnemar(broken: int, repaired: int) -> float:
    """Two-sided exact p-value that a change breaks as many images as it repairs.

    McNemar (1947), *Note on the sampling error of the difference between correlated proportions*.
    """
    n = broken + repaired
    term, tail = 1, 0  # term is C(n, i): integers, so exact
    for i in range(min(broken, repaired) + 1):
        tail += term
        term = term * (n - i) // (i + 1)
    return min(1.0, 2 * tail / 2**n)


def change_interval(broken: np.ndarray, repaired: np.ndarray, n: int, z: float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Interval (low, high) of the change of accuracy, −1…1, where `broken` and `repaired` of the same n images changed.

    Agresti and Min (2005), *Simple improved confidence intervals for comparing matched proportions*, Stat. Med. 24:
    the normal interval after half an image is added to each of the four counts.
    """
    lost, won, total = np.asarray(broken) + 0.5, np.asarray(repaired) + 0.5, n + 2
    centre = (won - lost) / total
    half = z * np.sqrt(lost + won - (won - lost) ** 2 / total) / total
    return np.clip(centre - half, -1, 1), np.clip(centre + half, -1, 1)


def independent_interval(correct: int, n: int, other_correct: int, other_n: int, z: float = Z95) -> tuple[float, float]:
    """Interval (low, high) of the second accuracy minus the first, −1…1, of two independent samples.

    Newcombe (1998), *Interval estimation for the difference between independent proportions*, Stat. Med. 17, his
    method 10: of Wilson's two intervals.
    """
    one, other = correct / n, other_correct / other_n
    (low, high), (other_low, other_high) = wilson(correct, n, z), wilson(other_correct, other_n, z)
    difference = other - one
    down, up = math.hypot(other - other_low, high - one), math.hypot(other_high - other, one - low)
    return difference - down, difference + up


def two_proportions(correct: int, n: int, other_correct: int, other_n: int) -> float:
    """Two-sided p-value that two independent samples are of one accuracy: the z test with the pooled variance."""
    pooled = (correct + other_correct) / (n + other_n)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    return math.erfc(abs(other_correct / other_n - correct / n) / spread / math.sqrt(2)) if spread else 1.0


def student_t(freedom: int, z: float = Z95) -> float:
    """The value that Student's t stays within as often as a normal one stays within ± z.

    Abramowitz and Stegun (1964), *Handbook of mathematical functions*, equation 26.7.5: to 0.001 from 5 degrees of
    freedom on.
    """
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
