"""Says how sure a score is, in words instead of decimals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nba.contracts import DO_NOTHING, Receipt
from nba.errors import ArgumentError
from nba.explain.wording import Book

Band: TypeAlias = Literal["High", "Medium", "Low", "Test"]

DOTS: dict[Band, str] = {"High": "●●●", "Medium": "●●○", "Low": "●○○", "Test": "○○○"}

_SURE = 1.2816  # standard normal quantile of .9
_NARROW = 0.5  # log-odds; without anything to compare with, a wider spread is "Low"


@dataclass(frozen=True)
class Reference:
    """The usual response rate that a propensity is compared with.

    Attributes
    ----------
    rate : in (0, 1)
    population : whose rate it is: a name from the book's ``population`` section
    """

    rate: float
    population: str = "all"

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0:
            raise ArgumentError(
                f"Reference rate {self.rate!r} is not between 0 and 1; expected a rate such as 0.04. "
                "Leave the reference out where none is known."
            )


def band(receipt: Receipt, *, reference: Reference | None = None) -> Band | None:
    """Put a decision into High, Medium, Low or Test; None where nothing is suggested.

    High: at least 90 % sure that the propensity is above the reference. Medium: more likely above than
    not; without a reference, a spread of at most 0.5 log-odds. Low: everything else, and every pair
    without rows of its own. Test: the action was explored.

    Examples
    --------
    >>> [DOTS[name] for name in ("High", "Medium", "Low", "Test")]
    ['●●●', '●●○', '●○○', '○○○']
    """
    if receipt.propensity is None or receipt.action == DO_NOTHING:
        return None
    if receipt.explored:
        return "Test"
    if receipt.prior_only or not 0.0 < receipt.propensity < 1.0:
        return "Low"
    spread = receipt.spread if receipt.spread is not None else math.inf
    if reference is None:
        return "Medium" if spread <= _NARROW else "Low"
    above = _log_odds(receipt.propensity) - _log_odds(reference.rate)
    if above < 0.0 or not math.isfinite(spread):
        return "Low"
    return "High" if above >= _SURE * spread else "Medium"


def comparison(propensity: float, reference: Reference, *, book: Book) -> str:
    """Compare a propensity with the usual rate, rounded to halves.

    Raises
    ------
    ArgumentError
        The book has no words for the reference's population.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> comparison(0.12, Reference(0.04, "specialty"), book=load_book())
    'About 3× the usual response rate for this specialty'
    """
    population = book.phrase("population", reference.population)
    if not population:
        known = sorted(book.phrases["population"])
        raise ArgumentError(
            f"Reference population {reference.population!r} is not in the template book; it has: {known}. "
            "Choose one of them or add it to the book."
        )
    halves = math.floor(2.0 * propensity / reference.rate + 0.5)
    return book.phrase("comparison", _size(halves), times=_in_halves(halves), population=population)


def _size(halves: int) -> str:
    if halves > 20:
        return "many"
    return {0: "under_half", 1: "half", 2: "usual"}.get(halves, "times")


def _in_halves(halves: int) -> str:
    return f"{halves // 2}½" if halves % 2 else f"{halves // 2}"


def _log_odds(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)
