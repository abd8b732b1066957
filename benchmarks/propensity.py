"""Propensity models beside their rivals, where the truth is known.

python -m benchmarks.propensity            three generators, five seeds, each rival at its documented best
python -m benchmarks.propensity --quick    one seed, small, under a minute

All learn from the same requests; all are judged on new HCPs, every pair asked for. Divergences are
x 1000. The generators (benchmarks/territories.py) share no code with the models.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.report import arguments, finish, timed
from benchmarks.territories import TERRITORIES, Territory, divergence, sizes_of
from benchmarks.worlds import GAP_DAYS, World
from nba.contracts import DAY, Design, Floats, Ints
from nba.errors import NBAWarning
from nba.evaluation import calibration_line
from nba.models import NaiveBayesPerPair, PairPropensity
from training.console import table

GROUPS = (("0", 0, 1), ("1-199", 1, 200), ("200-999", 200, 1000), ("1k-5k", 1000, 5000), ("5k+", 5000, 10**9))
"""Pairs by their training rows."""
HELD_BY = 10.0
"""Rows' worth of belief in its channel's rate that a pair has where a rival can fit no model for it."""
Z90 = 1.6449

Asked = Callable[[Design], Floats]
"""Margins of requests, by what was learned."""

FitsPair = Callable[[Floats, Floats, Ints], Callable[[Floats], Floats] | None]
"""From a pair's columns, outcomes and moments to what gives margins; None where there is too little."""


@dataclass(frozen=True)
class Trial:
    """One world, seen once: what was learned from, and the grid that all are judged on."""

    territory: Territory
    train: World
    grid: Design
    truth: Floats

    @classmethod
    def drawn(cls, make: Callable[..., Territory], *, seed: int, quick: bool) -> Trial:
        """Training requests of all sizes of pair, and new HCPs."""
        pairs, requests, rows = (24, 24_000, 400) if quick else (60, 120_000, 2000)
        territory = make(seed=seed, pairs=pairs)
        sizes = sizes_of(pairs, requests, seed=seed, without=0.1)
        grid, truth = territory.grid(rows, seed=seed + 2000)
        return cls(territory, territory.requests(sizes, seed=seed + 1000), grid, truth)

    @property
    def n(self) -> Ints:
        """(K,) training rows of each pair."""
        return np.bincount(self.train.design.pair, minlength=self.territory.pairs)

    def by_group(self, values: Floats) -> dict[str, float]:
        """Mean of values of the grid's requests among pairs of similar size."""
        of_pair = values.reshape(-1, self.territory.pairs).mean(axis=0)
        found = {name: of_pair[(self.n >= low) & (self.n < high)] for name, low, high in GROUPS}
        return {name: float(mine.mean()) for name, mine in found.items() if len(mine)}

    def regret_pct(self, margin: Floats) -> float:
        """What choosing by these margins loses, as a share of what the best choice gains over chance."""
        p = (1 / (1 + np.exp(-self.truth))).reshape(-1, self.territory.pairs)
        chosen = margin.reshape(p.shape).argmax(axis=1)
        got, best, chance = p[np.arange(len(p)), chosen].mean(), p.max(axis=1).mean(), p.mean()
        return float(100 * (best - got) / (best - chance))

    def level_ratio(self, margin: Floats) -> float:
        """How many times off the mean forecast is among pairs without a row: the mean of their ratios."""
        shape = (-1, self.territory.pairs)
        ours, true = ((1 / (1 + np.exp(-m))).reshape(shape).mean(axis=0) for m in (margin, self.truth))
        return float(np.exp(np.abs(np.log(ours / true))[self.n == 0]).mean())


def run(argv: list[str] | None = None) -> None:
    """Fit all in every world, print the tables and one line of JSON."""
    options = arguments(__doc__ or "", argv)
    seeds = range(options.seed, options.seed + (1 if options.quick else 5))
    found = [
        {"generator": name} | judged(Trial.drawn(make, seed=seed, quick=options.quick))
        for name, make in TERRITORIES.items()
        for seed in seeds
    ]
    print_tables(found)
    finish(figures_of(found))


def judged(trial: Trial) -> dict[str, Any]:
    """Ours and the rivals on one trial."""
    took, model = timed(lambda: fit_ours(trial.train), repeats=1)
    model.score(trial.grid)
    scoring, forecast = timed(lambda: model.margin(trial.grid), repeats=1)  # all that a rival gives
    with_spread, (margin, spread) = timed(lambda: model.score(trial.grid), repeats=1)
    if not np.array_equal(forecast, margin):
        raise SystemExit("forecasts with and without their spreads differ")
    covered = np.abs(margin - trial.truth) <= Z90 * spread
    p = 1 / (1 + np.exp(-trial.truth))
    came = (np.random.default_rng(0).random(len(p)) < p).astype(float)
    out: dict[str, Any] = {
        "kl": trial.by_group(divergence(margin, trial.truth)),
        "regret_pct": trial.regret_pct(margin),
        "coverage90": trial.by_group(covered.astype(float)),
        "zero_row_level": trial.level_ratio(margin),
        "calibration_slope": calibration_line(margin, came)[1],
        "train_cpu_s": took.cpu,
        "score_cpu_s": scoring.cpu,
        "spread_cpu_s": with_spread.cpu,
        "rows": len(trial.grid.shared),
        "weight": model.weights_.pooled,
        "peers": {},
    }
    for name, fit in PEERS.items():
        took, asked = timed(lambda fit=fit: fit(trial.train), repeats=1)  # type: ignore[misc]
        scoring, margin = timed(lambda asked=asked: asked(trial.grid), repeats=1)  # type: ignore[misc]
        out["peers"][name] = {
            "kl": trial.by_group(divergence(margin, trial.truth)),
            "regret_pct": trial.regret_pct(margin),
            "zero_row_level": trial.level_ratio(margin),
            "train_cpu_s": took.cpu,
            "score_cpu_s": scoring.cpu,
        }
    return out


def fit_ours(train: World) -> PairPropensity:
    """As it comes: no setting is chosen for the world."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NBAWarning)
        return PairPropensity().fit(train.design, train.y, at=train.at, gap_seconds=GAP_DAYS * DAY)


def _rates(train: World) -> Floats:
    """(K,) log-odds of each pair's rate, held to its channel's."""
    k = len(train.design.actions)
    channel = np.unique([groups[0] for groups in train.design.groups], return_inverse=True)[1]
    n, s = np.bincount(train.design.pair, minlength=k), np.bincount(train.design.pair, train.y, k)
    above = np.array([(s[channel == c].sum() + 0.5) / (n[channel == c].sum() + 1) for c in channel])
    rate = (s + HELD_BY * above) / (n + HELD_BY)
    return np.log(rate / (1 - rate))


def _columns(design: Design, rows: Ints) -> Floats:
    return np.hstack([design.shared[design.row[rows]], design.own[rows]])


def _over_pairs(
    fit: Callable[[Floats, Floats, Ints], Callable[[Floats], Floats] | None], train: World
) -> Asked:
    """A model a pair, on a thread a core; a pair without one keeps its rate."""
    design = train.design
    level = _rates(train)

    def one(k: int) -> Callable[[Floats], Floats] | None:
        rows = np.flatnonzero(design.pair == k)
        rows = rows[np.argsort(train.at[rows], kind="stable")]
        if len(set(train.y[rows].tolist())) < 2:
            return None
        return fit(_columns(design, rows), train.y[rows], train.at[rows])

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        models = list(pool.map(one, range(len(level))))

    def asked(grid: Design) -> Floats:
        margin = level[grid.pair]

        def score(k: int) -> None:
            rows, model = np.flatnonzero(grid.pair == k), models[k]
            if model is not None:
                margin[rows] = model(_columns(grid, rows))

        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(score, range(len(level))))
        return margin

    return asked


def _split(at: Ints) -> tuple[Ints, Ints]:
    """Rows before the latest fifth, less the gap, and those in it."""
    cut = np.quantile(at, 0.8)
    return np.flatnonzero(at < cut - GAP_DAYS * DAY), np.flatnonzero(at >= cut)


def _boosted(x: Floats, y: Floats, **options: Any) -> lightgbm.Booster:
    trees = options.pop("trees", 100)
    category = options.pop("category", "auto")
    params = {"objective": "binary", "num_threads": 1, "verbosity": -1, **options}
    return lightgbm.train(params, lightgbm.Dataset(x, y, categorical_feature=category), num_boost_round=trees)


def _raw(booster: lightgbm.Booster) -> Callable[[Floats], Floats]:
    return lambda x: np.clip(booster.predict(x, raw_score=True, num_threads=1), -34.5, 34.5)


def _default_trees(x: Floats, y: Floats, at: Ints) -> Callable[[Floats], Floats]:
    return _raw(_boosted(x, y))


def _stopped(x: Floats, y: Floats, at: Ints, **options: Any) -> lightgbm.Booster | None:
    """As many trees as serve the latest fifth best, grown once more on all rows."""
    early, late = _split(at)
    if min(len(early), len(late)) < 20 or min(len(set(y[p].tolist())) for p in (early, late)) < 2:
        return None
    category = options.get("category", "auto")
    params = {"objective": "binary", "num_threads": 1, "verbosity": -1, **options}
    params.pop("category", None)
    rows = lightgbm.Dataset(x[early], y[early], categorical_feature=category, params=params)
    judge = lightgbm.Dataset(x[late], y[late], reference=rows, params=params)
    stop = lightgbm.early_stopping(25, verbose=False)
    grown = lightgbm.train(params, rows, num_boost_round=500, valid_sets=[judge], callbacks=[stop])
    return _boosted(x, y, trees=grown.best_iteration, **options)


def _small_trees(x: Floats, y: Floats, at: Ints) -> Callable[[Floats], Floats] | None:
    booster = _stopped(x, y, at, num_leaves=7, learning_rate=0.05, lambda_l2=1.0)
    return None if booster is None else _raw(booster)


def _one_model(train: World) -> Asked:
    every = np.arange(len(train.y))

    def columns(design: Design, rows: Ints) -> Floats:
        return np.hstack([_columns(design, rows), design.pair[rows, None]])

    x = columns(train.design, every)
    booster = _stopped(x, train.y, train.at, learning_rate=0.05, category=[x.shape[1] - 1])
    assert booster is not None
    return lambda grid: _raw(booster)(columns(grid, np.arange(len(grid))))


def _logistic(x: Floats, y: Floats, at: Ints) -> Callable[[Floats], Floats] | None:
    """Logs and flags for what is missing, standardised; the penalty that serves the latest fifth best."""
    early, late = _split(at)
    if min(len(early), len(late)) < 20 or min(len(set(y[p].tolist())) for p in (early, late)) < 2:
        return None
    center, spread = _seen(x).mean(axis=0), _seen(x).std(axis=0) + 1e-9

    def scaled(x: Floats) -> Floats:
        return (_seen(x) - center) / spread

    def fitted(c: float, rows: Ints) -> LogisticRegression:
        return LogisticRegression(C=c, max_iter=500).fit(scaled(x[rows]), y[rows])

    def loss(c: float) -> float:
        margin = fitted(c, early).decision_function(scaled(x[late]))
        return float((np.logaddexp(0, margin) - y[late] * margin).mean())

    model = fitted(min((0.0003, 0.001, 0.01, 0.1, 1.0), key=loss), np.arange(len(y)))
    return lambda x: model.decision_function(scaled(x))


def _seen(x: Floats) -> Floats:
    known = np.nan_to_num(x)
    return np.hstack([np.sign(known) * np.log1p(np.abs(known)), np.isnan(x)])


def _naive_bayes(train: World) -> Asked:
    model = NaiveBayesPerPair().fit(train.design, train.y)
    return lambda grid: model.score(grid)[0]


PEERS: dict[str, Callable[[World], Asked]] = {
    "LightGBM per pair, defaults": lambda train: _over_pairs(_default_trees, train),
    "LightGBM per pair, early-stopped": lambda train: _over_pairs(_small_trees, train),
    "one LightGBM, pair as category": _one_model,
    "logistic per pair": lambda train: _over_pairs(_logistic, train),
    "naive Bayes per pair": _naive_bayes,
}
PLAIN = "LightGBM per pair, defaults"


def figures_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, by the names of the JSON line."""
    worlds = {name: [one for one in found if one["generator"] == name] for name in TERRITORIES}

    def of_peers(key: str) -> dict[str, dict[str, Any]]:
        return {
            world: {peer: _mean(one["peers"][peer][key] for one in ones) for peer in PEERS}
            for world, ones in worlds.items()
        }

    def ratio(key: str, of_peer: str | None = None) -> float:
        return sum(one[key] for one in found) / sum(one["peers"][PLAIN][of_peer or key] for one in found)

    return {
        "kl": {world: _mean(one["kl"] for one in ones) for world, ones in worlds.items()},
        "kl_peers": of_peers("kl"),
        "regret_pct": {world: _mean(one["regret_pct"] for one in ones) for world, ones in worlds.items()},
        "regret_peers_pct": of_peers("regret_pct"),
        "coverage90": _mean(one["coverage90"] for one in found),
        "calibration_slope": _mean(one["calibration_slope"] for one in found),
        "train_cpu_s": _mean(one["train_cpu_s"] for one in found),
        "train_ratio_lightgbm_per_pair": ratio("train_cpu_s"),
        "score_us_per_hcp": _mean(1e6 * one["score_cpu_s"] / one["rows"] for one in found),
        "score_ratio_lightgbm_per_pair": ratio("score_cpu_s"),
        "spread_us_per_hcp": _mean(1e6 * one["spread_cpu_s"] / one["rows"] for one in found),
        "spread_ratio_lightgbm_per_pair": ratio("spread_cpu_s", "score_cpu_s"),
        "zero_row_level": {
            world: _mean(one["zero_row_level"] for one in ones) for world, ones in worlds.items()
        },
    }


def print_tables(found: list[dict[str, Any]]) -> None:
    """For people: divergence by size of pair, regret, level of pairs without rows, CPU."""
    groups = [name for name, _, _ in GROUPS]
    for world in TERRITORIES:
        ones = [one for one in found if one["generator"] == world]
        print(f"\n{world}: {len(ones)} seeds, weight earned by trees {_mean(o['weight'] for o in ones):.2f}")
        sides = {"ours": ones} | {peer: [one["peers"][peer] for one in ones] for peer in PEERS}
        rows = []
        for name, side in sides.items():
            kl = _mean(one["kl"] for one in side)
            shown = [f"{kl[g]:.1f}" if g in kl else "" for g in groups]
            rest = (f"{_mean(one[key] for one in side):.2f}" for key in ("regret_pct", "zero_row_level"))
            cpu = (f"{_mean(one[key] for one in side):.2f}" for key in ("train_cpu_s", "score_cpu_s"))
            rows.append((name, *shown, *rest, *cpu))
        header = ("KL x 1000 by rows of the pair", *groups, "regret %", "0 rows off", "train s", "score s")
        print(table(header, rows))
        cover = _mean(one["coverage90"] for one in ones)
        print("coverage of 90 %: " + ", ".join(f"{g} {cover[g]:.2f}" for g in groups if g in cover))
        print(f"scoring with spreads: {_mean(one['spread_cpu_s'] for one in ones):.2f} s")
    peer, lost = worse_cells(found)
    print(
        f"\nThe best single peer is {peer}; cells where it is closer by more than two standard errors: ",
        end="",
    )
    print(", ".join(lost) or "none")


def worse_cells(found: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """The peer of least mean regret, and where its divergence is below ours by over two standard errors."""
    best = min(PEERS, key=lambda peer: _mean(one["peers"][peer]["regret_pct"] for one in found))
    lost = []
    for world in TERRITORIES:
        ones = [one for one in found if one["generator"] == world]
        for group in [name for name, _, _ in GROUPS]:
            gaps = [one["kl"][group] - one["peers"][best]["kl"][group] for one in ones if group in one["kl"]]
            error = float(np.std(gaps, ddof=1)) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
            if gaps and _mean(gaps) > 2 * error:
                lost.append(f"{world} {group} (by {_mean(gaps):.1f} +- {error:.1f})")
    return best, lost


def _mean(values: Iterable[Any]) -> Any:
    """Mean of numbers, or of mappings key by key."""
    values = list(values)
    if not isinstance(values[0], Mapping):
        return float(np.mean(values))
    names = list(dict.fromkeys(name for value in values for name in value))
    return {name: _mean(value[name] for value in values if name in value) for name in names}


if __name__ == "__main__":
    run()
