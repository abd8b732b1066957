"""The one way from priorities to a logged choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from nba.contracts import Bools, Choice, Floats, Pmf, Policy, Scores
from nba.errors import ArgumentError, SelectionError

_SUM_TOLERANCE = 1e-6  # a policy's own rounding; the rest of the sum is made exact here
_BLOCK = 4_096  # rows a policy is asked about at once: what it works in stays close to the processor
_PERSON = b"nba draw"
# BLAKE2b's first words are its constants and the parameters: digest of 8 bytes, no key, one node, our name
_HEAD = np.array(
    [
        0x6A09E667F3BCC908 ^ 0x01010008, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B ^ int.from_bytes(_PERSON, "little"), 0x5BE0CD19137E2179,
    ],
    dtype=np.uint64,
)  # fmt: skip


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
    probs = np.empty(masked.shape)
    for lo in range(0, len(probs), _BLOCK):
        rows = slice(lo, lo + _BLOCK)
        _fill(
            probs[rows],
            policy,
            masked[rows],
            _rows_of(scores, rows, len(masked)),
            eligible[rows],
            explore,
            lo,
        )
    return Pmf(probs=probs, priorities=masked, eligible=eligible, explore=explore)


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
    from nba.policies.compiled import digests

    shared = b"".join(_with_length(part) for part in (_whole(seed, "seed"), _whole(at, "at"), stream))
    texts = list(hcps)
    together = "".join(texts)
    if together.isascii():
        blob, sizes = together.encode("ascii"), list(map(len, texts))
    else:
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        blob, sizes = b"".join(parts), [len(part) for part in parts]
    ends = np.cumsum(np.array(sizes, dtype=np.int64))
    found = digests(np.frombuffer(shared, np.uint8), np.frombuffer(blob, np.uint8), ends, _HEAD)
    uniforms: Floats = (found.byteswap() >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniforms


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
    from nba.policies.compiled import pick

    _check_uniforms(uniforms, len(pmf.probs))
    n = len(pmf.probs)
    action, selection_prob, explored = np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_)
    pick(pmf.probs, pmf.priorities, uniforms, action, selection_prob, explored)
    return Choice(action=action, selection_prob=selection_prob, draw=uniforms, explored=explored)


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
    from nba.policies.compiled import mask

    priorities, eligible = np.ascontiguousarray(priorities), np.ascontiguousarray(eligible)
    masked = np.empty(priorities.shape)
    if not mask(priorities, eligible, masked):
        _refuse(priorities, eligible)
    return masked, eligible


def _refuse(priorities: Floats, eligible: Bools) -> NoReturn:
    """Say which row cannot be decided, and why."""
    if len(empty := np.flatnonzero(~eligible.any(axis=1))):
        raise SelectionError(
            f"{len(empty)} rows have no eligible action, the first is row {empty[0]}; expected at least "
            "do_nothing. Leave column 0 eligible."
        )
    bad = eligible & ~np.isfinite(priorities)
    row, action = np.argwhere(bad)[0].tolist()
    raise ArgumentError(
        f"{int(bad.sum())} priorities of eligible actions are missing or infinite, the first in row "
        f"{row}, action {action}; expected finite numbers. Give it a priority, or make it ineligible."
    )


def _explore_of(policy: Policy) -> float:
    explore = float(policy.explore)
    if not 0.0 <= explore <= 1.0:
        raise ArgumentError(f"{type(policy).__name__} has explore={explore!r}, expected 0 to 1. Correct it.")
    return explore


def _rows_of(scores: Scores, rows: slice, n: int) -> Scores:
    """The scores of some rows; all of them where there is one block."""
    if n <= _BLOCK:
        return scores
    slope = None if scores.slope is None else scores.slope[rows]
    return replace(scores, margin=scores.margin[rows], spread=scores.spread[rows], slope=slope)


def _fill(
    probs: Floats, policy: Policy, masked: Floats, scores: Scores, eligible: Bools, explore: float, first: int
) -> None:
    """Write the rows' selection probabilities into ``probs``."""
    from nba.policies.compiled import mix

    # copies: a policy that writes into what it is handed harms nobody
    weights = np.asarray(policy.weights(masked.copy(), scores, eligible.copy()), dtype=np.float64)
    if weights.shape != eligible.shape or not mix(weights, eligible, explore, _SUM_TOLERANCE, probs):
        _refuse_weights(weights, eligible, first)


def _refuse_weights(weights: Floats, eligible: Bools, first: int) -> NoReturn:
    """Say what is wrong with a policy's weights; its rows begin at row ``first``."""
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
            f"({float(weights[row, action])!r}) in row {first + row}, action {action}; expected numbers "
            ">= 0. Mend its weights()."
        )
    if (stray := (weights > 0) & ~eligible).any():
        row, action = np.argwhere(stray)[0].tolist()
        raise SelectionError(
            f"The policy gave weight to {int(stray.sum())} ineligible actions, the first in row "
            f"{first + row}, action {action}; expected 0 there. Mend its weights() to spread over "
            "`eligible` only."
        )
    sums = np.cumsum(weights, axis=1)[:, -1]
    off = np.flatnonzero(~(np.abs(sums - 1.0) <= _SUM_TOLERANCE))
    raise SelectionError(
        f"The policy's weights do not sum to one in {len(off)} rows; the first is row {first + off[0]} with "
        f"sum {float(sums[off[0]])!r}. Divide each row by its sum."
    )


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
