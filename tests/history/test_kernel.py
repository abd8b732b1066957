"""The kernel says what one would count by hand, and only what was known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.errors import ArgumentError
from nba.history import Histories, Measure, Op, sweep, warm_up
from nba.history.blocks import MISSING
from nba.history.compiled import sweep_rows

DAY = 86_400
SPANS = {Op.COUNT: 7 * DAY, Op.RECENCY: 0, Op.DECAYED: 10 * DAY, Op.STREAK: 0}  # the others: 20 days
THROUGH = tuple(op for op in Op if op not in SPANS)


def measure(log: Any, op: Op, *, own: np.ndarray | None = None, skip: int = 0) -> Measure:
    order = log.histories.order
    ends = log.ends[order] if op == Op.STREAK else None
    if op in (Op.DISTINCT, Op.LOGS, Op.SWITCHES):
        ends = log.values()[order]
    weights = log.weights[order] if op in (Op.SUM, Op.SLOPE) else None
    return Measure(
        op, log.keys[order], SPANS.get(op, 20 * DAY), log.n_keys, ends=ends, own=own, skip=skip,
        weights=weights,
    )  # fmt: skip


def moments_of(log: Any, seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Random moments, most of them exactly at an event or an arrival; some of an HCP without events."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([log.columns["ts"], log.columns["recorded_at"]])
    at = rng.choice(times, n) + rng.integers(-1, 2, n)
    return rng.integers(-1, len(log.histories.hcps), n), at


@pytest.mark.parametrize("op", list(Op))
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_every_op_equals_going_through_the_rows(random_log: Callable[..., Any], op: Op, seed: int) -> None:
    log = random_log(seed)
    hcp, at = moments_of(log, seed)

    shared, _ = sweep(log.histories, [measure(log, op)], hcp=hcp, at=at)

    names = [*log.histories.hcps, "nobody"]
    expected = [
        [
            log.measured(op, names[h], key=k, at=int(t), span=SPANS.get(op, 20 * DAY))
            for k in range(log.n_keys)
        ]
        for h, t in zip(hcp, at, strict=True)
    ]
    # Sums of both signs, and spreads of equal gaps, may come out as the last bits of nothing.
    assert_allclose(shared, np.array(expected), rtol=1e-12, atol=1e-12 if op in THROUGH else 1e-300)


@pytest.mark.parametrize("op", THROUGH)
def test_a_window_may_end_before_the_moment(random_log: Callable[..., Any], op: Op) -> None:
    log = random_log(17)
    hcp, at = moments_of(log, 17)

    shared, _ = sweep(log.histories, [measure(log, op, skip=8 * DAY)], hcp=hcp, at=at)

    names = [*log.histories.hcps, "nobody"]
    expected = [
        [log.measured(op, names[h], key=k, at=int(t), span=20 * DAY, skip=8 * DAY) for k in range(log.n_keys)]
        for h, t in zip(hcp, at, strict=True)
    ]
    assert_allclose(shared, np.array(expected), rtol=1e-12, atol=1e-12)


def test_a_decayed_total_may_be_weighted(random_log: Callable[..., Any]) -> None:
    log = random_log(23)
    hcp, at = moments_of(log, 23)
    order = log.histories.order
    plain = Measure(Op.DECAYED, log.keys[order], 10 * DAY, log.n_keys)
    halves = np.full(len(order), 0.5)
    halves[log.kinds[order] == 1] = np.nan  # of these, nothing counts
    some = np.where(log.kinds[order] == 1, -1, log.keys[order]).astype(np.int32)

    weighted, _ = sweep(log.histories, [replace(plain, weights=halves)], hcp=hcp, at=at)

    left, _ = sweep(log.histories, [replace(plain, cells=some)], hcp=hcp, at=at)
    assert_allclose(weighted, left / 2, rtol=1e-14)


def test_what_an_op_needs_and_has_not_is_refused(random_log: Callable[..., Any]) -> None:
    log = random_log(1)
    one = {"hcp": np.array([0]), "at": np.array([1_700_000_000])}

    for op in THROUGH[3:6]:
        with pytest.raises(ArgumentError, match="need `ends`"):
            sweep(log.histories, [replace(measure(log, op), ends=None)], **one)
    for op in (Op.SUM, Op.SLOPE):
        with pytest.raises(ArgumentError, match="need `weights`"):
            sweep(log.histories, [replace(measure(log, op), weights=None)], **one)
    with pytest.raises(ArgumentError, match="skip is of"):
        sweep(log.histories, [measure(log, Op.COUNT, skip=DAY)], **one)


@pytest.mark.parametrize("op", list(Op))
def test_an_own_view_is_the_column_of_the_pairs_key(random_log: Callable[..., Any], op: Op) -> None:
    log = random_log(3)
    hcp, at = moments_of(log, 3)
    own = np.array([2, -1, 0, 2], dtype=np.int32)
    row = np.sort(np.random.default_rng(0).integers(0, len(at), 200))
    pair = np.random.default_rng(1).integers(0, len(own), 200)

    shared, viewed = sweep(
        log.histories, [measure(log, op), measure(log, op, own=own)], hcp=hcp, at=at,
        request_row=row, request_pair=pair,
    )  # fmt: skip

    missing = np.nan if op in MISSING else 0.0
    beside = np.column_stack([shared, np.full(len(at), missing)])
    assert_array_equal(viewed[:, 0], beside[row, own[pair]])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_rows_do_not_depend_on_their_order_or_company(random_log: Callable[..., Any], seed: int) -> None:
    log = random_log(seed)
    hcp, at = moments_of(log, seed)
    asked = [measure(log, op) for op in Op]

    together, _ = sweep(log.histories, asked, hcp=hcp, at=at)

    shuffled = np.random.default_rng(seed).permutation(len(at))
    again, _ = sweep(log.histories, asked, hcp=hcp[shuffled], at=at[shuffled])
    alone = [sweep(log.histories, asked, hcp=hcp[i : i + 1], at=at[i : i + 1])[0][0] for i in range(len(at))]
    assert_array_equal(again, together[shuffled])
    assert_array_equal(np.array(alone), together)


def test_threads_give_the_same_bits(random_log: Callable[..., Any]) -> None:
    log = random_log(5, hcps=200, events=4_000)
    hcp, at = moments_of(log, 5, n=6_000)
    asked = [measure(log, op) for op in Op]

    one, _ = sweep(log.histories, asked, hcp=hcp, at=at, n_jobs=1)
    three, _ = sweep(log.histories, asked, hcp=hcp, at=at, n_jobs=3)

    assert_array_equal(one, three)


def test_an_event_at_the_moment_itself_is_not_seen() -> None:
    log = {
        "hcp_id": np.array(["h", "h"], dtype=object),
        "ts": np.array([0, 50]),
        "recorded_at": np.array([100, 50]),
    }
    histories = Histories.from_columns(log)
    counts = Measure(Op.COUNT, np.zeros(2, dtype=np.int32), DAY, 1)

    at = np.array([50, 51, 100, 101])
    seen, _ = sweep(histories, [counts], hcp=np.zeros(4, dtype=np.int64), at=at)

    assert seen.ravel().tolist() == [0.0, 1.0, 1.0, 2.0]


def test_float32_is_float64_rounded(random_log: Callable[..., Any]) -> None:
    log = random_log(9)
    hcp, at = moments_of(log, 9)
    asked = [measure(log, op) for op in Op]

    wide, _ = sweep(log.histories, asked, hcp=hcp, at=at)
    narrow, _ = sweep(log.histories, asked, hcp=hcp, at=at, dtype="float32")

    assert_array_equal(narrow, wide.astype("float32"))


def test_after_warm_up_nothing_is_compiled_in_a_request(random_log: Callable[..., Any]) -> None:
    warm_up()
    compiled = len(sweep_rows.signatures)
    log = random_log(1)
    hcp, at = moments_of(log, 1)
    own = measure(log, Op.COUNT, own=np.array([1], dtype=np.int32))

    for dtype in ("float32", "float64"):
        sweep(log.histories, [measure(log, Op.STREAK)], hcp=hcp, at=at, dtype=dtype)
        sweep(
            log.histories, [own], hcp=hcp[:1], at=at[:1].astype(np.int32), request_row=np.zeros(4, int)[::2],
            request_pair=np.zeros(4, int)[::2], dtype=dtype,
        )  # fmt: skip

    assert len(sweep_rows.signatures) == compiled


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dtype": "float16"}, "float16"),
        ({"hcp": np.array([99])}, "hcp runs from 99"),
        ({"hcp": np.array([-2])}, "hcp runs from -2"),
        ({"hcp": np.array([0, 0])}, "2 and 1"),
        ({"request_row": np.array([0, 7]), "request_pair": np.array([0, 0])}, "request_row runs from 0 to 7"),
        ({"request_row": np.array([0]), "request_pair": np.array([5])}, "request_pair runs from 5"),
        ({"request_row": np.array([0])}, "1 and 0"),
    ],
)
def test_an_index_outside_is_refused(random_log: Callable[..., Any], changed: Any, said: str) -> None:
    log = random_log(1)
    own = measure(log, Op.COUNT, own=np.array([0, 1], dtype=np.int32))
    asked = {"hcp": np.array([0]), "at": np.array([1_700_000_000]), **changed}

    with pytest.raises(ArgumentError, match=said):
        sweep(log.histories, [own], **asked)


def test_requests_out_of_the_order_of_their_rows_are_refused(random_log: Callable[..., Any]) -> None:
    log = random_log(1)
    two = np.array([0, 0])

    with pytest.raises(ArgumentError, match="goes down"):
        sweep(log.histories, [], hcp=two, at=two, request_row=np.array([1, 0]), request_pair=two)
