"""The invented HCPs, and what about them never moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from nba.contracts import DAY, Floats, Ints
from nba.simulate.catalogue import (
    ACCESS,
    CHANNEL,
    CHANNELS,
    COUNTRIES,
    FOLLOWS,
    KINDS,
    LANGUAGES,
    ROLES,
    SETTINGS,
    SPECIALTIES,
    SPOKEN,
    TOPICS,
    ZONES,
)
from nba.simulate.library import Library


def invent_people(rng: np.random.Generator, n: int) -> pd.DataFrame:
    share = np.array([0.55, 0.22, 0.18, 0.05])
    country = np.searchsorted(np.round(np.cumsum(share) * n), np.arange(n), side="right")
    code = np.array(COUNTRIES, dtype=object)[country]
    size_rank = np.concatenate([np.arange(count) for count in np.bincount(country, minlength=4) if count])
    territory_id = np.array([f"{c}-{rank // 100 + 1:02d}" for c, rank in zip(code, size_rank, strict=True)])
    decile = rng.integers(1, 11, n)
    setting = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    access = rng.choice(3, n, p=[0.55, 0.3, 0.15])
    zone = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame(
        {
            "hcp_id": [f"hcp_{row:04d}" for row in range(n)],
            "country": code,
            "language": np.array(LANGUAGES, dtype=object)[SPOKEN[country]],
            "timezone": [ZONES[c][z % len(ZONES[c])] for c, z in zip(code, zone, strict=True)],
            "specialty": rng.choice(SPECIALTIES, n, p=[0.18, 0.15, 0.12, 0.1, 0.3, 0.15]),
            "role": rng.choice(ROLES, n, p=[0.82, 0.12, 0.06]),
            "setting": np.array(SETTINGS)[setting],
            "hco_id": [
                f"hco_{c}_{h:03d}" for c, h in zip(code, rng.integers(0, 1 + n // 12, n), strict=True)
            ],
            "territory_id": territory_id,
            "brick_id": [f"{t}-B{b}" for t, b in zip(territory_id, rng.integers(1, 6, n), strict=True)],
            "segment": np.select(
                [decile >= 9, decile >= 6, decile >= 3], ["champion", "core", "grow"], "maintain"
            ),
            "tier": np.select([decile >= 8, decile >= 4], ["A", "B"], "C"),
            "decile": decile,
            "kol_score": np.round(rng.gamma(0.6, 1.0, n), 3),
            "access_level": np.array(ACCESS)[access],
            "pdrp_opt_out": (country == 0) & (rng.random(n) < 0.06),
            "do_not_call": rng.random(n) < 0.02,
        }
    )


def rep_rows(people: pd.DataFrame) -> pd.DataFrame:
    """One rep and one medical liaison a territory."""
    territories = sorted(set(people["territory_id"]))
    return pd.DataFrame(
        {
            "user_id": [f"{prefix}_{territory}" for prefix in ("msl", "rep") for territory in territories],
            "function": np.repeat(["medical", "commercial"], len(territories)),
            "territory_id": territories * 2,
        }
    )


@dataclass(frozen=True)
class World:
    """Everything about people and content that does not move with the history."""

    start: int
    days: int
    hcp_ids: list[str]
    content_ids: list[str]
    people: pd.DataFrame
    library: Library
    country: Ints
    language: Ints
    specialty: Ints
    appeal: Floats  # (hcps, contents): how far the content meets the HCP
    pull: Floats  # (hcps, channels): how far the channel reaches the HCP
    fit: Floats  # (channels, contents): how far the content suits the channel
    rhythm: Floats  # (hcps,) the local hour around which the HCP reads
    zone: Ints
    offset: Ints  # (zones, days) seconds local time is ahead of UTC

    @property
    def size(self) -> int:
        return len(self.hcp_ids)


def codes(column: pd.Series[str], names: Sequence[str]) -> Ints:
    known = {name: index for index, name in enumerate(names)}
    return np.array([known[value] for value in column], dtype=np.int64)


def make_world(
    rng: np.random.Generator, people: pd.DataFrame, library: Library, *, start: int, days: int
) -> World:
    country = codes(people["country"], COUNTRIES)
    specialty = codes(people["specialty"], SPECIALTIES)
    zones = sorted(set(people["timezone"]))
    return World(
        start=start,
        days=days,
        hcp_ids=list(people["hcp_id"]),
        content_ids=list(library.table["content_id"]),
        people=people,
        library=library,
        country=country,
        language=SPOKEN[country],
        specialty=specialty,
        appeal=_appeal(rng, specialty, SPOKEN[country], library),
        pull=_pull(rng, people),
        fit=_fit(library),
        rhythm=rng.choice([7.0, 12.5, 20.5], len(people), p=[0.3, 0.3, 0.4])
        + rng.normal(0, 0.7, len(people)),
        zone=codes(people["timezone"], zones),
        offset=np.array([[_ahead(zone, start + day * DAY) for day in range(days)] for zone in zones]),
    )


def _ahead(zone: str, midnight: int) -> int:
    """Seconds by which local time is ahead of UTC at noon of a day (a change at night is over then)."""
    ahead = datetime.fromtimestamp(midnight + DAY // 2, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return int(ahead.total_seconds()) if ahead else 0


def _appeal(rng: np.random.Generator, specialty: Ints, language: Ints, library: Library) -> Floats:
    """A Gaussian kernel of latent places, a hyperbola around the depth an HCP likes, and language."""
    centres = 1.3 * np.eye(4)
    topics = rng.normal(0.0, 0.45, (len(TOPICS), 4))
    quirk = rng.normal(0.0, 0.3, (library.family.max() + 1, 4))
    likes = topics[rng.integers(0, len(TOPICS), len(specialty))]
    person = FOLLOWS[specialty] @ centres + likes + rng.normal(0.0, 0.35, (len(specialty), 4))
    place = centres[library.indication] + topics[library.topic] + quirk[library.family]
    apart = ((person[:, None, :] - place[None, :, :]) ** 2).sum(axis=2)
    liked_depth = rng.uniform(1.0, 5.0, len(specialty))
    depth = 1.0 / (1.0 + np.abs(liked_depth[:, None] - library.depth) ** 1.5 / 5.0)
    spoken = np.where(language[:, None] == library.language, 1.0, 0.25)
    met = (0.2 + 1.6 * np.exp(-apart / 1.6)) * (0.4 + 0.6 * depth)
    # On one scale whatever the seed drew, so that rates stay those of the field.
    result: Floats = 0.48 * met / met.mean() * spoken
    return result


def _pull(rng: np.random.Generator, people: pd.DataFrame) -> Floats:
    """Steps by what a company can see, times two latent tastes it cannot."""
    n = len(people)
    at = {
        name: people[name].to_numpy() for name in ("role", "setting", "access_level", "specialty", "decile")
    }
    digital = rng.beta(2.0, 2.0, n) * np.where(at["role"] == "physician", 1.0, 1.15)
    reached = 0.4 + 1.3 * digital**2 / (digital**2 + 0.25)
    pull = rng.gamma(4.0, 0.25, (n, len(CHANNELS)))
    for name in ("approved_email", "hq_email", "push", "webinar"):
        pull[:, CHANNEL[name]] *= reached
    steps = {
        "rep_visit": [
            (at["access_level"] == "limited", 0.75),
            (at["access_level"] == "no_see", 0.25),
            (digital > 0.6, 0.8),
            (
                (at["specialty"] == "general practice") & (at["setting"] == "practice") & (at["decile"] >= 8),
                0.6,
            ),
        ],
        "remote_call": [(at["access_level"] == "no_see", 1.4), (at["setting"] == "hospital", 0.8)],
        "phone": [(at["setting"] == "practice", 1.25), (at["setting"] == "hospital", 0.65)],
        "push": [
            ((digital > 0.55) & (at["specialty"] == "cardiology"), 1.6),
            (at["setting"] == "hospital", 0.75),
        ],
        "webinar": [
            ((at["specialty"] == "oncology") & (at["setting"] == "hospital"), 1.8),
            (at["role"] == "specialist nurse", 1.5),
        ],
        "hq_email": [(at["decile"] <= 3, 1.4), (at["decile"] >= 9, 0.7)],
        "msl_visit": [(people["kol_score"].to_numpy() > 1.5, 1.3)],
    }
    for name, factors in steps.items():
        for where, factor in factors:
            pull[:, CHANNEL[name]] *= np.where(where, factor, 1.0)
    return pull


def _fit(library: Library) -> Floats:
    form = np.array([KINDS[kind].form for kind in library.kind])
    fit = np.ones((len(CHANNELS), len(form)))
    fit[CHANNEL["hq_email"]] *= np.where(form == "video", 1.5, np.where(form == "article", 0.8, 1.0))
    fit[CHANNEL["approved_email"]] *= np.where(form == "infographic", 1.3, 1.0)
    fit[CHANNEL["push"]] *= np.where(library.depth >= 4, 0.6, 1.0)
    fit[CHANNEL["remote_call"]] *= np.where(form == "interactive", 1.3, 1.0)
    fit[CHANNEL["msl_visit"]] *= np.where(library.depth >= 4, 1.3, 1.0)
    return fit
