"""What each action is worth: propensity x value - cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.contracts import Bools, Floats, Ints, Term
from nba.errors import ArgumentError


def priority(
    terms: Sequence[Term], *, shape: tuple[int, int], do_nothing_value: float | Floats = 0.0
) -> Floats:
    """Multiply the factors, subtract the costs, and give do_nothing its own value.

    Factors are multiplied in the order given, then costs subtracted in the order given, so that a row has
    the same bits alone and in any batch.

    Parameters
    ----------
    terms : at least one of kind "times"; factors broadcast to ``shape``, costs in value units
    shape : (HCPs, actions)
    do_nothing_value : the priority of column 0, one for all or one an HCP; what terms say there is not read

    Returns
    -------
    (n, K) float64 priorities

    Raises
    ------
    ArgumentError
        If names repeat, a factor does not broadcast, is missing or infinite, or nothing is to be multiplied.

    Examples
    --------
    >>> terms = [Term("propensity", np.array([[0.0, 0.5, 0.1]])), Term("value", np.array([10.0])),
    ...          Term("cost", np.array([[0.0, 2.0, 0.0]]), kind="minus")]
    >>> priority(terms, shape=(1, 3)).tolist()
    [[0.0, 3.0, 1.0]]
    """
    _check_terms(terms, shape, do_nothing_value)
    result = np.ones(shape)
    with np.errstate(invalid="ignore", over="ignore"):  # do_nothing's column may hold anything
        for term in terms:
            if term.kind == "times":
                result *= term.factor
        for term in terms:
            if term.kind == "minus":
                result -= term.factor
    result[:, 0] = do_nothing_value
    return result


def terms_of(
    terms: Sequence[Term],
    *,
    shape: tuple[int, int],
    row: int,
    action: int,
    do_nothing_value: float = 0.0,
) -> dict[str, float]:
    """The terms of one candidate's priority by name, in their order, for its receipt.

    For do_nothing it is its own value alone.

    Examples
    --------
    >>> terms = [Term("propensity", np.array([[0.0, 0.5]])), Term("cost", np.array([2.0]), kind="minus")]
    >>> terms_of(terms, shape=(1, 2), row=0, action=1)
    {'propensity': 0.5, 'cost': 2.0}
    """
    if action == 0:
        return {"do_nothing": float(do_nothing_value)}
    return {term.name: _cell(term.factor, row, action, shape=shape) for term in terms}


def chosen_of(factor: Floats, *, shape: tuple[int, int], action: Ints) -> Floats:
    """A factor that broadcasts to (n, K), of one action in every row.

    Examples
    --------
    >>> chosen_of(np.array([0.0, 3.0]), shape=(2, 2), action=np.array([1, 0])).tolist()
    [3.0, 0.0]
    """
    found: Floats
    if factor.size == 1:
        return np.full(len(action), factor.item())
    if factor.shape == shape[1:]:
        found = factor[action]
    else:
        found = np.broadcast_to(factor, shape)[np.arange(len(action)), action]
    return found


def _cell(factor: Floats, row: int, action: int, *, shape: tuple[int, int]) -> float:
    """One number of a factor that broadcasts to (n, K), at a tenth of what broadcasting costs."""
    if factor.shape == shape:
        return float(factor[row, action])
    if factor.shape == shape[1:]:
        return float(factor[action])
    return float(np.broadcast_to(factor, shape)[row, action])


def winners(priorities: Floats, eligible: Bools) -> Ints:
    """The eligible action of highest priority, an HCP; of equals the first.

    Parameters
    ----------
    priorities : (n, K)
    eligible : (n, K) bool, column 0 all true

    Returns
    -------
    (n,) index of an action

    Examples
    --------
    >>> winners(np.array([[0.0, 3.0, 5.0]]), np.array([[True, True, False]])).tolist()
    [1]
    """
    best: Ints = np.argmax(np.where(eligible, priorities, -np.inf), axis=1)
    return best


def changed_without(
    terms: Sequence[Term], eligible: Bools, *, do_nothing_value: float | Floats = 0.0
) -> dict[str, Bools]:
    """Whose winner changes when a term is left out, by term: how much a plan hangs on each.

    A term that is left out is 1 where it is multiplied and 0 where it is subtracted.

    Parameters
    ----------
    terms : as in :func:`priority`
    eligible : (n, K) bool, column 0 all true

    Returns
    -------
    (n,) bool a term, in the terms' order

    Examples
    --------
    >>> terms = [Term("propensity", np.array([[0.0, 0.5, 0.1]])), Term("value", np.array([0, 1, 9.0])),
    ...          Term("cost", np.array([0, 0.1, 0.2]), kind="minus")]
    >>> changed = changed_without(terms, np.ones((1, 3), dtype=bool))
    >>> {name: bool(rows[0]) for name, rows in changed.items()}
    {'propensity': False, 'value': True, 'cost': False}
    """
    usual = winners(priority(terms, shape=eligible.shape, do_nothing_value=do_nothing_value), eligible)
    changed = {}
    for left_out in terms:
        neutral = Term(left_out.name, np.array(1.0 if left_out.kind == "times" else 0.0), left_out.kind)
        others = [neutral if term is left_out else term for term in terms]
        found = priority(others, shape=eligible.shape, do_nothing_value=do_nothing_value)
        changed[left_out.name] = winners(found, eligible) != usual
    return changed


def effective_actions(probs: Floats) -> Floats:
    """How many equally likely actions would be as open a choice: exp of the entropy of each row.

    Parameters
    ----------
    probs : (n, K) selection probabilities

    Returns
    -------
    (n,) from 1 (no choice) to the number of eligible actions

    References
    ----------
    Hill (1973), order 1.

    Examples
    --------
    >>> effective_actions(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])).round(6).tolist()
    [2.0, 1.0]
    """
    logs = np.log(probs, where=probs > 0, out=np.zeros_like(probs))
    result: Floats = np.exp(-(probs * logs).sum(axis=1))
    return result


def _check_terms(terms: Sequence[Term], shape: tuple[int, int], do_nothing_value: float | Floats) -> None:
    names = [term.name for term in terms]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(
            f"Terms {repeated} are given more than once, expected each name once. Rename one."
        )
    if not any(term.kind == "times" for term in terms):
        raise ArgumentError(
            f"Found terms {names}, expected at least one of kind 'times', such as propensity."
        )
    if not np.isfinite(do_nothing_value).all() or np.shape(do_nothing_value) not in ((), shape[:1]):
        raise ArgumentError(
            f"Found do_nothing_value={do_nothing_value!r}, expected a finite number, or one an HCP."
        )
    for term in terms:
        _check_factor(term, shape)


def _check_factor(term: Term, shape: tuple[int, int]) -> None:
    if term.kind not in ("times", "minus"):
        raise ArgumentError(f"Term {term.name!r} has kind {term.kind!r}, expected 'times' or 'minus'.")
    factor = np.asarray(term.factor)
    if not all(size in (1, full) for size, full in zip(factor.shape[::-1], shape[::-1], strict=False)) or (
        factor.ndim > 2
    ):
        raise ArgumentError(
            f"Term {term.name!r} has shape {np.shape(term.factor)}, expected one that broadcasts to {shape}: "
            "(HCPs, actions). Give (n, 1) for one number an HCP, (K,) for one an action."
        )
    # do_nothing's column may hold anything; a number that stands for several is looked at once
    said = factor[..., 1:] if factor.ndim and factor.shape[-1] == shape[1] else factor
    if not np.isfinite(said).all():
        read = np.broadcast_to(factor, shape)[:, 1:]
        bad = int((~np.isfinite(read)).sum())
        raise ArgumentError(
            f"Term {term.name!r} is missing or infinite for {bad} of {read.size} candidates, "
            "expected finite numbers. Fill them, or switch the term off."
        )
