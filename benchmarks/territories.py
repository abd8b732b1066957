"""Territories with a known truth: linear, trees, mostly noise.

Three generators for benchmarks.propensity; they share no code with the models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds import YEAR, World
from nba.contracts import DAY, Action, Design, Feature, Floats, Ints

CHANNELS, TOPICS = 4, 5
SHARED = (
    Feature("interest", "interest"),
    Feature("mood", "mood"),
    Feature("visits", "visits", unit="count"),
    Feature("mails", "mails", unit="count"),
    Feature("clicks", "clicks", unit="count"),
    Feature("since click", "days since the last click", unit="days"),
    Feature("since visit", "days since the last visit", unit="days"),
    Feature("leader", "opinion leader", unit="flag"),
    Feature("clinic", "works in a clinic", unit="flag"),
    Feature("cardiology", "cardiologist", unit="flag"),
    Feature("opened", "share opened", unit="share"),
    Feature("attended", "share attended", unit="share"),
)
OWN = (
    Feature("met", "times this content was met", unit="count"),
    Feature("since met", "days since this content", unit="days"),
    Feature("answered", "share answered in this channel", unit="share"),
)

Truth = Callable[[Floats, Floats, Ints], Floats]
"""True log-odds of requests from shared columns, own columns and pair: (n, 12), (n, 3), (n,)."""


@dataclass(frozen=True)
class Territory:
    """HCPs whose columns are drawn, and pairs whose true response is known."""

    channel: Ints
    topic: Ints
    truth: Truth

    @property
    def pairs(self) -> int:
        return len(self.channel)

    def requests(self, sizes: Sequence[int] | Ints, *, seed: int) -> World:
        """So many requests of each pair over a year, and what came of them."""
        rng = np.random.default_rng(seed)
        pair = rng.permutation(np.repeat(np.arange(self.pairs), sizes))
        rows = max(len(pair) // 4, 1)
        row = np.sort(rng.integers(0, rows, len(pair)))
        design, truth = self._asked(rng, rows, row, pair)
        at = rng.integers(0, YEAR, rows)[row].astype(np.int64) * DAY
        return World(design, (rng.random(len(pair)) < 1 / (1 + np.exp(-truth))).astype(float), at, truth)

    def grid(self, rows: int, *, seed: int) -> tuple[Design, Floats]:
        """Every pair asked for on new rows, and the true log-odds: (rows * K,)."""
        pair, row = np.tile(np.arange(self.pairs), rows), np.repeat(np.arange(rows), self.pairs)
        return self._asked(np.random.default_rng(seed), rows, row, pair)

    def _asked(self, rng: np.random.Generator, rows: int, row: Ints, pair: Ints) -> tuple[Design, Floats]:
        shared, own = _columns_of_hcps(rng, rows), _columns_of_pairs(rng, len(row))
        design = Design(
            shared=shared,
            own=own,
            row=row,
            pair=pair,
            actions=tuple(Action(f"c{c}", f"m{k:03d}") for k, c in enumerate(self.channel)),
            groups=tuple(
                (f"channel=c{c}", f"topic=t{t}") for c, t in zip(self.channel, self.topic, strict=True)
            ),
            shared_features=SHARED,
            own_features=OWN,
        )
        return design, self.truth(shared[row], own, pair)


def linear_world(*, seed: int, pairs: int = 24) -> Territory:
    """Square roots, fading memories and flags add up, by coefficients that channels and pairs vary."""
    return _territory(seed, pairs, _sums)


def tree_world(*, seed: int, pairs: int = 24) -> Territory:
    """Conditions on two or three columns add up: some hold everywhere, some in a channel or for a pair."""
    return _territory(seed, pairs, _conditions)


def noise_world(*, seed: int, pairs: int = 24) -> Territory:
    """Every pair has its own rate; of all columns one says a little."""
    return _territory(seed, pairs, lambda rng, channel: lambda shared, own, pair: 0.15 * shared[:, 0])


TERRITORIES: dict[str, Callable[..., Territory]] = {
    "linear": linear_world,
    "trees": tree_world,
    "noise": noise_world,
}


def sizes_of(pairs: int, requests: int, *, seed: int, without: float = 0.0) -> Ints:
    """(pairs,) requests of each: a few have most, and a share of pairs has none."""
    rng = np.random.default_rng([seed, 1])
    weight = rng.permutation(np.exp(1.5 * np.linspace(-2, 2, pairs)))
    weight[: round(pairs * without)] = 0.0
    sizes: Ints = np.round(requests * weight / weight.sum()).astype(np.int64)
    return sizes


def divergence(margin: Floats, truth: Floats) -> Floats:
    """KL divergence x 1000 of each forecast from the true probability."""
    p = 1 / (1 + np.exp(-truth))
    kl: Floats = 1000 * (np.logaddexp(0.0, margin) - p * margin - np.logaddexp(0.0, truth) + p * truth)
    return kl


def _territory(seed: int, pairs: int, shape: Callable[..., Truth]) -> Territory:
    """Levels of about 6 %, that channels, topics and pairs vary, and a shape on top of them."""
    rng = np.random.default_rng([seed, 2])
    channel, topic = np.arange(pairs) % CHANNELS, rng.integers(0, TOPICS, pairs)
    level = (
        -2.8
        + 0.5 * rng.normal(size=CHANNELS)[channel]
        + 0.3 * rng.normal(size=TOPICS)[topic]
        + 0.25 * rng.normal(size=pairs)
    )
    of_columns = shape(rng, channel)
    drawn = np.random.default_rng([seed, 3])
    pair = drawn.integers(0, pairs, 4000)
    usual = of_columns(_columns_of_hcps(drawn, 4000), _columns_of_pairs(drawn, 4000), pair).mean()
    return Territory(
        channel, topic, lambda shared, own, pair: level[pair] + of_columns(shared, own, pair) - usual
    )


def _sums(rng: np.random.Generator, channel: Ints) -> Truth:
    columns = len(SHARED) + len(OWN)
    theta = (
        0.35 * rng.normal(size=columns)
        + (0.15 * rng.normal(size=(CHANNELS, columns)))[channel]
        + 0.12 * rng.normal(size=(len(channel), columns))
    )

    def truth(shared: Floats, own: Floats, pair: Ints) -> Floats:
        seen = np.hstack([shared, own])
        for j, feature in enumerate((*SHARED, *OWN)):
            if feature.unit == "count":
                seen[:, j] = np.sqrt(seen[:, j]) - 1.0
            elif feature.unit == "days":
                seen[:, j] = 2.0 * np.nan_to_num(0.98 ** seen[:, j], nan=0.0)
            elif feature.unit in ("flag", "share"):
                seen[:, j] = 2.0 * seen[:, j] - 1.0
        total: Floats = (theta[pair] * seen).sum(axis=1) + 0.15 * shared[:, 0] * shared[:, 1]
        return total

    return truth


def _conditions(rng: np.random.Generator, channel: Ints) -> Truth:
    """12 everywhere, 4 a channel, 1 a pair; each of two or three columns, and worth a normal deviate."""
    scales = {"all": (12, 0.7), "channel": (4 * CHANNELS, 0.5), "pair": (len(channel), 0.5)}
    sample = np.hstack([_columns_of_hcps(rng, 2000), _columns_of_pairs(rng, 2000)])
    rules = []
    for scope, (number, scale) in scales.items():
        for i in range(number):
            at = rng.choice(sample.shape[1], size=rng.integers(2, 4), replace=False)
            ends = np.nanquantile(sample[:, at], rng.uniform(0.25, 0.75), axis=0)
            rules.append((scope, i, at, ends, rng.random(len(at)) < 0.5, scale * rng.normal()))

    def truth(shared: Floats, own: Floats, pair: Ints) -> Floats:
        seen = np.nan_to_num(np.hstack([shared, own]), nan=1e9)
        total = np.zeros(len(pair))
        for scope, i, at, ends, above, worth in rules:
            mine = {"all": True, "channel": channel[pair] == i % CHANNELS, "pair": pair == i}[scope]
            total += worth * (mine & ((seen[:, at] > ends) == above).all(axis=1))
        return total

    return truth


def _columns_of_hcps(rng: np.random.Generator, rows: int) -> Floats:
    """(rows, 12): some HCPs are busier than others, so counts go together."""
    busy = rng.gamma(2.0, 0.5, rows)
    interest = rng.normal(size=rows)
    clicks = rng.poisson(1.5 * busy * np.exp(0.4 * interest)).astype(float)
    columns = [
        interest,
        0.6 * interest + 0.8 * rng.normal(size=rows),
        rng.poisson(2.0 * busy).astype(float),
        rng.poisson(4.0 * busy).astype(float),
        clicks,
        np.where(clicks > 0, rng.exponential(30.0, rows), np.nan),
        np.where(rng.random(rows) < 0.85, rng.exponential(40.0, rows), np.nan),
        (rng.random(rows) < 0.15).astype(float),
        (rng.random(rows) < 0.5).astype(float),
        (rng.random(rows) < 0.3).astype(float),
        rng.beta(1.5, 3.0, rows),
        rng.beta(1.0, 4.0, rows),
    ]
    return np.stack(columns, axis=1)


def _columns_of_pairs(rng: np.random.Generator, requests: int) -> Floats:
    met = rng.poisson(0.7, requests).astype(float)
    since = np.where(met > 0, rng.exponential(25.0, requests), np.nan)
    return np.stack([met, since, rng.beta(1.5, 5.0, requests)], axis=1)
