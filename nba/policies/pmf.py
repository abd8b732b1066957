"""The one way from priorities to a logged choice."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from nba.contracts import Bools, Choice, Floats, Pmf, Policy, Scores
from nba.errors import ArgumentError, SelectionError

_SUM_TOLERANCE = 1e-6  # a policy's own rounding; the rest of the sum is made exact here


def selection_pmf(policy: Policy, *, priorities: Floats, scores: Scores, eligible: Bools) -> Pmf:
    """Give every eligible action its selection probability.

    Masks first, then asks the policy, then spreads its ``explore`` share evenly over the eligible:
    ``(1 - explore) * weight + explore / n_eligible``. Ineligible actions get exactly 0, the only eligible
    action of a row exactly 1, and every row sums to one within 1e-12. A row's numbers depend on that row
    alone, bit for bit, as far as the policy's do.

    Parameters
    ----------
    policy : one of this library's or of your own
    priorities : (n, K), finite wherever eligible, in any unit
    scores : how well each response is known, for policies that use it
    eligible : (n, K) bool, at least one a row (do_nothing always is)

    Raises
    ------
    ArgumentError
        If shapes differ, a priority of an eligible action is not finite, or ``explore`` is not in [0, 1].
    SelectionError
        If a row has no eligible action, or the policy's weights are negative, missing, on ineligible
        actions, or do not sum to one.

    Examples
    --------
    >>> from nba.policies import EpsilonGreedy
    >>> scores = Scores(margin=np.zeros((1, 3)), spread=np.zeros((1, 3)), n=np.zeros(3),
    ...                 prior_only=np.zeros(3, dtype=bool))
    >>> selection_pmf(EpsilonGreedy(0.2), priorities=np.array([[0.0, 9.0, 2.0]]), scores=scores,
    ...               eligible=np.array([[True, False, True]])).probs.round(12).tolist()
    [[0.1, 0.0, 0.9]]
    """
    masked, eligible = _masked(priorities, eligible)
    explore = _explore_of(policy)
    weights = np.asarray(policy.weights(masked.copy(), scores, eligible.copy()), dtype=np.float64)
    _check_weights(weights, eligible)
    return Pmf(probs=_mix(weights, eligible, explore), priorities=masked, eligible=eligible, explore=explore)


def keyed_uniforms(hcps: Sequence[str], *, seed: int, at: int, stream: str = "") -> Floats:
    """A number in [0, 1) for every HCP that depends on seed, HCP, moment and stream alone.

    The first 53 bits of BLAKE2b over the four, each with its length before it, so that no two keys run
    into one another and the order or number of HCPs makes no difference.

    Parameters
    ----------
    hcps : (n,) str
    seed : any int
    at : int seconds UTC
    stream : name of the draw, where one moment needs several

    Raises
    ------
    ArgumentError
        If ``seed`` or ``at`` is not a whole number.

    Examples
    --------
    >>> keyed_uniforms(["h1", "h2"], seed=7, at=0).round(4).tolist() == [
    ...     keyed_uniforms([hcp], seed=7, at=0).round(4).item() for hcp in ("h1", "h2")]
    True
    """
    shared = b"".join(_with_length(part) for part in (_whole(seed, "seed"), _whole(at, "at"), stream))
    start = blake2b(shared, digest_size=8, person=b"nba draw")
    digests = []
    for hcp in hcps:
        key = start.copy()
        key.update(_with_length(hcp))
        digests.append(key.digest())
    bits = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def choose(pmf: Pmf, uniforms: Floats) -> Choice:
    """Turn numbers in [0, 1) into actions, by the inverse of each row's distribution.

    Actions are laid end to end in their order; an action of probability 0 is never chosen.

    Parameters
    ----------
    pmf : n rows
    uniforms : (n,) each in [0, 1)

    Raises
    ------
    ArgumentError
        If the numbers are not one a row, or outside [0, 1).

    Examples
    --------
    >>> pmf = Pmf(probs=np.array([[0.25, 0.75]] * 2), priorities=np.array([[0.0, 2.0]] * 2),
    ...           eligible=np.ones((2, 2), dtype=bool), explore=0.5)
    >>> choice = choose(pmf, np.array([0.2, 0.3]))
    >>> choice.action.tolist(), choice.selection_prob.tolist(), choice.explored.tolist()
    ([0, 1], [0.25, 0.75], [True, False])
    """
    _check_uniforms(uniforms, len(pmf.probs))
    rows = np.arange(len(pmf.probs))
    reach = np.cumsum(pmf.probs, axis=1)  # adds in a fixed order: a row alone draws as in a batch
    # a number of at most 1 - 2**-53 times the sum rounds to below the sum: some action always reaches further
    action = (reach <= (uniforms * reach[:, -1])[:, None]).sum(axis=1)
    highest = np.max(pmf.priorities, axis=1)
    return Choice(
        action=action,
        selection_prob=pmf.probs[rows, action],
        draw=uniforms,
        explored=pmf.priorities[rows, action] < highest,
    )


def draw(pmf: Pmf, *, hcps: Sequence[str], seed: int, at: int, stream: str = "") -> Choice:
    """Draw one action an HCP from exactly the logged probabilities.

    Parameters
    ----------
    pmf : one row an HCP, in the order of ``hcps``
    hcps, seed, at, stream : the key of each draw, see :func:`keyed_uniforms`

    Raises
    ------
    ArgumentError
        If there is not one HCP a row.

    Examples
    --------
    >>> sure = Pmf(probs=np.array([[0.0, 1.0]]), priorities=np.array([[-np.inf, 2.0]]),
    ...            eligible=np.array([[False, True]]), explore=0.0)
    >>> choice = draw(sure, hcps=["h1"], seed=1, at=0)
    >>> choice.action.item(), choice.selection_prob.item(), choice.explored.item()
    (1, 1.0, False)
    """
    return choose(pmf, keyed_uniforms(hcps, seed=seed, at=at, stream=stream))


def _whole(number: object, name: str) -> str:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise ArgumentError(f"Found {name}={number!r}, expected a whole number. Give an int.")
    return str(int(number))


def _masked(priorities: Floats, eligible: Bools) -> tuple[Floats, Bools]:
    priorities, eligible = np.asarray(priorities, dtype=np.float64), np.asarray(eligible)
    if priorities.ndim != 2 or priorities.shape != eligible.shape or eligible.dtype != np.bool_:
        raise ArgumentError(
            f"Found priorities of shape {priorities.shape} and eligible of shape {eligible.shape}, type "
            f"{eligible.dtype}; expected (n, K) numbers and (n, K) bools. Give both for every HCP and action."
        )
    if len(empty := np.flatnonzero(~eligible.any(axis=1))):
        raise SelectionError(
            f"{len(empty)} rows have no eligible action, the first is row {empty[0]}; expected at least "
            "do_nothing. Leave column 0 eligible."
        )
    bad = eligible & ~np.isfinite(priorities)
    if bad.any():
        row, action = np.argwhere(bad)[0].tolist()
        raise ArgumentError(
            f"{int(bad.sum())} priorities of eligible actions are missing or infinite, the first in row "
            f"{row}, action {action}; expected finite numbers. Give it a priority, or make it ineligible."
        )
    return np.where(eligible, priorities, -np.inf), np.ascontiguousarray(eligible)


def _explore_of(policy: Policy) -> float:
    explore = float(policy.explore)
    if not 0.0 <= explore <= 1.0:
        raise ArgumentError(f"{type(policy).__name__} has explore={explore!r}, expected 0 to 1. Correct it.")
    return explore


def _check_weights(weights: Floats, eligible: Bools) -> None:
    if weights.shape != eligible.shape:
        raise SelectionError(
            f"The policy gave weights of shape {weights.shape}, expected {eligible.shape}: one for every HCP "
            "and action. Mend its weights()."
        )
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        row, action = np.argwhere(bad)[0].tolist()
        raise SelectionError(
            f"The policy gave {int(bad.sum())} weights that are negative, missing or infinite, the first "
            f"({float(weights[row, action])!r}) in row {row}, action {action}; expected numbers >= 0. "
            "Mend its weights()."
        )
    if (stray := (weights > 0) & ~eligible).any():
        row, action = np.argwhere(stray)[0].tolist()
        raise SelectionError(
            f"The policy gave weight to {int(stray.sum())} ineligible actions, the first in row {row}, "
            f"action {action}; expected 0 there. Mend its weights() to spread over `eligible` only."
        )
    sums = _row_sums(weights)
    if len(off := np.flatnonzero(np.abs(sums - 1.0) > _SUM_TOLERANCE)):
        raise SelectionError(
            f"The policy's weights do not sum to one in {len(off)} rows; the first is row {off[0]} with sum "
            f"{float(sums[off[0]])!r}. Divide each row by its sum."
        )


def _mix(weights: Floats, eligible: Bools, explore: float) -> Floats:
    n_eligible = eligible.sum(axis=1)[:, None]
    mixed = (1.0 - explore) * (weights / _row_sums(weights)[:, None]) + explore / n_eligible
    mixed = np.where(eligible, mixed, 0.0)
    # x / x is exactly 1: dividing by the sum keeps the certainty of an only eligible action
    probs: Floats = mixed / _row_sums(mixed)[:, None]
    return probs


def _row_sums(values: Floats) -> Floats:
    """(n,) sums added in a fixed order, so that a row alone has the bits it has in a batch."""
    sums: Floats = np.cumsum(values, axis=1)[:, -1]
    return sums


def _check_uniforms(uniforms: Floats, rows: int) -> None:
    if uniforms.shape != (rows,):
        raise ArgumentError(
            f"Found {uniforms.shape[0] if uniforms.ndim else 'one'} numbers to draw with and {rows} rows of "
            "probabilities, expected one a row. Give one HCP a row, in the same order."
        )
    if not ((uniforms >= 0) & (uniforms < 1)).all():
        raise ArgumentError("Found numbers to draw with outside [0, 1). Use keyed_uniforms.")


def _with_length(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(8, "big") + encoded
