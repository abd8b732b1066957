"""The whole path of a batch, beside the plain stack.

``python -m benchmarks.endtoend`` scores 20,000 HCPs of one country for about 100 pairs: features as of a
moment, propensities, selection probabilities and a draw, reasons for what was drawn. Ours is all of
``recommend``, with guardrails, which the plain stack has not, and ``points``: every decision's reasons in
percentage points. Receipts with worded reasons, which it has not either, are written when they are asked for
and stand on a line of their own. Both start from checked tables and fitted models.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

import nba
from benchmarks.plain import PlainFeatures, PlainModels, choose
from benchmarks.report import Took, arguments, finish, growth_exponent, peak_mb, timed
from nba import decision, explain, guardrails, policies, simulate
from nba.contracts import Design, Floats, Ints
from nba.tables import Engagement, as_moment, candidates
from training.console import table

UNTIL = "2026-09-01"
"""No label past it; what happens later is there to be known at AT."""
AT = "2026-09-20"
SIZES = {True: (250, 500, 1_000), False: (2_500, 5_000, 10_000, 20_000)}
"""HCPs, by whether it is the quick run; the last is the one that is compared."""
DAYS = 180
CONTENTS = 27
"""Documents; with their channels about 100 pairs."""
US_SHARE = 0.55
FIT_HCPS = 4_000
"""Both sides learn from the rows of these HCPs; what is compared is scoring."""
SAMPLE = 200
"""HCPs on whom both sides' features are compared, number by number, for every pair."""


def main() -> None:
    """Run, and print a table for people and one line of JSON."""
    asked = arguments(__doc__.splitlines()[0], None)
    sizes = SIZES[asked.quick]
    data = one_country(sizes[-1], seed=asked.seed)
    model, training, fit_seconds = fitted(first_hcps(data, min(FIT_HCPS, sizes[-1])))
    pairs = len(candidates(data, AT).actions) - 1
    print(f"{sizes[-1]:,} HCPs, {pairs} pairs, {len(data.interactions):,} interactions", flush=True)
    design, y, at = training
    plain_fit, plain = timed(lambda: PlainModels.fit(design, y, at=at, seed=asked.seed), repeats=1)
    parts = {n: first_hcps(data, n) for n in sizes}
    recommend(model, parts[sizes[0]], seed=asked.seed)  # compiles, or reads what was compiled
    took = {n: timed(lambda n=n: reasoned(model, parts[n], seed=asked.seed))[0] for n in sizes}
    plan = recommend(model, parts[sizes[-1]], seed=asked.seed)
    receipts, _ = timed(lambda: plan.receipts()[:], repeats=1)
    stages = ours_by_stage(model, parts[sizes[-1]], seed=asked.seed)
    plain_by_stage(plain, model, parts[sizes[0]], seed=asked.seed)
    plain_took, plain_stages = timed(
        lambda: plain_by_stage(plain, model, parts[sizes[-1]], seed=asked.seed), repeats=1
    )
    compared = check_same_features(model, parts[sizes[0]])
    ours = took[sizes[-1]]
    print(by_stage(stages, plain_stages, ours, plain_took))
    print(f"\n{compared:,} feature values of {min(SAMPLE, sizes[0])} HCPs are the same in both.\n")
    print(by_size(took))
    print(f"\nAll {sizes[-1]:,} receipts, reasons worded: {receipts.cpu:.2f} CPU s more.\n")
    finish(
        {
            "hcps": sizes[-1],
            "pairs": pairs,
            "seconds": ours.wall,
            "plain_seconds": plain_took.wall,
            "ratio": plain_took.wall / ours.wall,
            "peak_mb": peak_of_recommend(model, data, seed=asked.seed),
            "growth_exponent": growth_exponent(sizes, [took[n].wall for n in sizes]),
            "cpu_seconds": ours.cpu,
            "plain_cpu_seconds": plain_took.cpu,
            "cpu_ratio": plain_took.cpu / ours.cpu,
            "receipts_cpu_seconds": receipts.cpu,
            "cpu_growth_exponent": growth_exponent(sizes, [took[n].cpu for n in sizes]),
            "fit_hcps": min(FIT_HCPS, sizes[-1]),
            "fit_seconds": fit_seconds,
            "plain_fit_seconds": plain_fit.wall,
        }
    )


def one_country(n: int, *, seed: int) -> Engagement:
    """A territory of one country and language, so that every pair is open to every HCP."""
    whole = simulate.territory(
        seed=seed, hcps=int(n / US_SHARE) + 20, days=DAYS, contents=CONTENTS
    ).engagement
    hcps = whole.hcps[whole.hcps["country"] == "US"].iloc[:n]
    return _only(whole, hcps, whole.content[whole.content["language"] == "en"])


def first_hcps(data: Engagement, n: int) -> Engagement:
    """The same tables with the first n HCPs alone."""
    return data if n == len(data.hcps) else _only(data, data.hcps.iloc[:n], data.content)


def _only(data: Engagement, hcps: pd.DataFrame, content: pd.DataFrame) -> Engagement:
    of_them = {
        name: frame[frame["hcp_id"].isin(hcps["hcp_id"])]
        for name, frame in (("interactions", data.interactions), ("consent", data.consent))
        if frame is not None
    }
    return Engagement(
        of_them["interactions"], content, hcps, consent=of_them["consent"], channels=data.channels,
        labels=data.labels, observed_until=pd.Timestamp(data.observed_until, unit="s", tz="UTC"),
    )  # fmt: skip


def fitted(data: Engagement) -> tuple[nba.NextBestAction, tuple[Design, Floats, Ints], float]:
    """Our model, the rows its scorer learned from (the plain stack's as well), and the scorer's seconds."""
    model = nba.NextBestAction(
        outcome=nba.Response(within_days=14.0), guardrails=[guardrails.FrequencyCap(6, days=30)]
    )
    kept: list[Any] = []
    learn = model.scorer.fit

    def fit(design: Design, y: Floats, *, at: Ints, **more: Any) -> Any:
        took, found = timed(lambda: learn(design, y, at=at, **more), repeats=1)
        kept.extend([(design, y, at), took.wall])
        return found

    with patch.object(model.scorer, "fit", fit):
        model.fit(data, until=UNTIL)
    return model, kept[0], kept[1]


def recommend(model: nba.NextBestAction, data: Engagement, *, seed: int) -> nba.Plan:
    """A plan from tables that nothing has been looked up in yet."""
    return model.recommend(copy.copy(data), at=AT, seed=seed)


def reasoned(model: nba.NextBestAction, data: Engagement, *, seed: int) -> explain.Grouped:
    """A plan, and the reasons of all its decisions."""
    return recommend(model, data, seed=seed).points(audience="hq")


def plain_by_stage(plain: PlainModels, model: nba.NextBestAction, data: Engagement, *, seed: int) -> Meter:
    """The plain stack's way from tables to reasons."""
    meter = Meter()
    actions = candidates(data, AT).actions[1:]
    with meter("features"):
        features = PlainFeatures(model.features, data, pd.Timestamp(AT, tz="UTC"))
        shared, own = features.shared.to_numpy(), features.own(actions)
    with meter("scores"):
        propensity = plain.propensities(shared, own)
    with meter("pmf and draw"):
        action, _ = choose(propensity, rng=np.random.default_rng(seed))
    with meter("reasons"):
        plain.reasons(shared, own, action)
    return meter


@dataclass
class Meter:
    """CPU seconds by stage; what a stage calls inside another counts for the inner one."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inside: list[float] = field(default_factory=list)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start, self._inside = time.process_time(), [*self._inside, 0.0]
        yield
        took = time.process_time() - start
        self.seconds[stage] = self.seconds.get(stage, 0.0) + took - self._inside.pop()
        if self._inside:
            self._inside[-1] += took

    def watch(self, stage: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def counted(*positional: Any, **named: Any) -> Any:
            with self(stage):
                return run(*positional, **named)

        return counted


def ours_by_stage(model: nba.NextBestAction, data: Engagement, *, seed: int) -> Meter:
    """Where the seconds of :func:`reasoned` go; a run of its own, as looking costs time."""
    meter = Meter()
    watched = [
        ("features", model.features, ("events", "seen")),
        ("features", decision.Seen, ("evidence", "only")),
        ("scores", model.scorer, ("margin", "score", "support")),
        ("guardrails", decision.Known, ("context",)),
        ("guardrails", guardrails, ("check_all", "funnel")),
        ("pmf and draw", policies, ("priority", "selection_pmf", "draw")),
        ("reasons", model.scorer, ("contributions",)),
        ("reasons", explain, ("grouped",)),
    ]
    with ExitStack() as stack:
        for stage, owner, names in watched:
            for name in names:
                stack.enter_context(patch.object(owner, name, meter.watch(stage, getattr(owner, name))))
        with meter("the rest"):
            reasoned(model, data, seed=seed)
    return meter


def check_same_features(model: nba.NextBestAction, data: Engagement) -> int:
    """Compare every feature of some HCPs for every pair; how many values were compared.

    Raises
    ------
    AssertionError
        If the two sides differ anywhere by more than single precision.
    """
    data = first_hcps(data, min(SAMPLE, len(data.hcps)))
    asked = candidates(data, AT)
    n, actions = len(asked.hcps), asked.actions[1:]
    ours = model.features.design(
        model.features.events(data),
        data.columns("hcps"),
        hcps=asked.hcps,
        at=np.full(n, as_moment(AT), dtype=np.int64),
        actions=actions,
        row=np.repeat(np.arange(n), len(actions)),
        pair=np.tile(np.arange(len(actions)), n),
    )
    plain = PlainFeatures(model.features, data, pd.Timestamp(AT, tz="UTC"))
    views = plain.own(actions)
    own = np.stack([views[action] for action in actions], axis=1).reshape(ours.own.shape)
    near = {"rtol": 1e-5, "atol": 1e-5, "equal_nan": True}
    np.testing.assert_allclose(plain.shared.to_numpy(), ours.shared, **near)
    np.testing.assert_allclose(own, ours.own, **near)
    return int(ours.shared.size + ours.own.size)


def peak_of_recommend(model: nba.NextBestAction, data: Engagement, *, seed: int) -> float:
    """The most memory, in MB, of a process that reads the tables and the model and makes the plan."""
    with TemporaryDirectory() as name, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        folder = Path(name)
        data.to_folder(folder / "tables")
        model.save(folder / "model")
        return pool.submit(_peak, folder, seed).result()


def _peak(folder: Path, seed: int) -> float:
    reasoned(nba.load(folder / "model"), Engagement.from_folder(folder / "tables"), seed=seed)
    return peak_mb()


def by_stage(ours: Meter, plain: Meter, took: Took, plain_took: Took) -> str:
    """CPU seconds of both, stage by stage, and wall seconds of all."""
    stages = list(dict.fromkeys([*plain.seconds, *ours.seconds]))
    rows = [
        [stage, *(f"{m.seconds[stage]:.2f}" if stage in m.seconds else "-" for m in (ours, plain))]
        for stage in stages
    ]
    rows.append(["all, CPU", f"{took.cpu:.2f}", f"{plain_took.cpu:.2f}"])
    rows.append(["all, wall", f"{took.wall:.2f}", f"{plain_took.wall:.2f}"])
    return "\n" + table(["seconds (stages: CPU)", "nba", "plain stack"], rows)


def by_size(took: dict[int, Took]) -> str:
    """How ours grows."""
    rows = [[f"{n:,}", f"{t.wall:.2f}", f"{t.cpu:.2f}", f"{1e3 * t.cpu / n:.3f}"] for n, t in took.items()]
    return table(["HCPs", "wall s", "CPU s", "CPU ms an HCP"], rows)


if __name__ == "__main__":
    main()
