"""Worlds with a known truth, to fit models on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from nba.contracts import Action, Design, Feature, Floats, Ints


class World(NamedTuple):
    """A design, outcomes drawn from it, and the true log-odds they were drawn with."""

    design: Design
    y: Floats
    truth: Floats


def make_world(
    *,
    pairs: int = 12,
    requests: int = 4000,
    hcps: int | None = None,
    apart: float = 0.3,
    level: float = -2.0,
    channels: int = 3,
    features: int = 4,
    seed: int = 0,
) -> World:
    """Pairs whose coefficients stand ``apart`` (a standard deviation) from their channel's."""
    rng = np.random.default_rng(seed)
    n = hcps or max(requests // 4, 1)
    shared = rng.normal(size=(n, features))
    own = rng.poisson(1.0, size=(requests, 1)).astype(float)
    pair = rng.choice(pairs, size=requests, p=rng.dirichlet(np.full(pairs, 0.6)))
    row = np.sort(rng.integers(0, n, requests))
    channel = np.arange(pairs) % channels
    theta = (
        rng.normal(size=features) * 0.4
        + (rng.normal(size=(channels, features)) * 0.15)[channel]
        + rng.normal(size=(pairs, features)) * apart
    )
    levels = level + (rng.normal(size=channels) * 0.5)[channel] + rng.normal(size=pairs) * 0.4
    truth = levels[pair] + (shared[row] * theta[pair]).sum(axis=1) + 0.3 * np.log1p(own[:, 0])
    y = (rng.random(requests) < 1 / (1 + np.exp(-truth))).astype(float)
    design = Design(
        shared=shared,
        own=own,
        row=row,
        pair=pair,
        actions=tuple(Action(f"c{k % channels}", f"m{k:03d}") for k in range(pairs)),
        groups=tuple((f"channel=c{k % channels}", f"topic=t{k % 4}") for k in range(pairs)),
        # "share" has a plain linear curve, so that the planted log-odds can be met exactly
        shared_features=tuple(Feature(f"f{j}", f"f{j}", unit="share") for j in range(features)),
        own_features=(Feature("clicks", "clicks", unit="count"),),
    )
    return World(design, y, truth)


def take_requests(design: Design, which: Ints) -> Design:
    """Some of a design's requests."""
    return replace(design, row=design.row[which], pair=design.pair[which], own=design.own[which])


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    return make_world


@pytest.fixture(scope="session")
def take() -> Callable[[Design, Ints], Design]:
    return take_requests
