"""Who may be contacted through what, from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import DAY, Bools, Floats, Ints
from nba.simulate.catalogue import CHANNELS, NEED_CONSENT
from nba.simulate.library import moments
from nba.simulate.world import World


@dataclass
class Consent:
    """From when to when each HCP may be contacted in each channel, and why it ended."""

    since: Floats  # (hcps, channels) seconds; inf where consent was never given
    until: Floats
    expires: Bools  # the end is an expiry, agreed on from the start
    left: Bools  # the end is an unsubscription
    refused: Bools  # an opt-out is all there is
    pending: Bools

    @classmethod
    def given(cls, rng: np.random.Generator, world: World) -> Consent:
        shape = (world.size, len(CHANNELS))
        end = world.start + world.days * DAY
        fate = rng.random(shape)
        early = world.start - rng.integers(DAY, 700 * DAY, shape)
        during = rng.integers(world.start, end, shape)
        since = np.where(rng.random(shape) < 0.85, early, during).astype(np.float64)
        expires = (rng.random(shape) < 0.08) & (since < world.start)
        until = np.where(expires, rng.integers(world.start + 30 * DAY, end + 300 * DAY, shape), np.inf)
        needed = np.isin(CHANNELS, NEED_CONSENT)
        since[(fate >= 0.80) & needed] = np.inf
        since[:, ~needed], until[:, ~needed] = -np.inf, np.inf
        return cls(
            since=since,
            until=until,
            expires=expires & needed & (fate < 0.80),
            left=np.zeros(shape, dtype=bool),
            refused=(fate >= 0.80) & (fate < 0.85) & needed,
            pending=(fate >= 0.85) & (fate < 0.88) & needed,
        )

    def allows(self, today: int) -> Bools:
        """(hcps, channels): may the HCP be contacted at any hour of the UTC day that begins at ``today``?"""
        return (self.since < today) & (self.until >= today + DAY)

    def end(self, hcp: Ints, channel: int, moments: Ints) -> None:
        """Take unsubscriptions down; of several the first counts."""
        np.minimum.at(self.until[:, channel], hcp, moments.astype(np.float64))
        self.left[hcp, channel] = True
        self.expires[hcp, channel] = False

    def table(self, world: World, end: int) -> pd.DataFrame:
        """The consent rows captured before ``end``."""
        asked = world.start - 100 * DAY
        given = np.isfinite(self.since)
        parts = [
            self._rows(given, self.since, "opt_in", expires=np.where(self.expires, self.until, np.nan)),
            self._rows(self.left, self.until, "opt_out", event="unsubscribed"),
            self._rows(self.refused, np.full(self.since.shape, asked), "opt_out", event="consent_capture"),
            self._rows(self.pending, np.full(self.since.shape, asked), "opt_in_pending"),
        ]
        rows = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        rows = rows[rows["captured_at"] < end].sort_values(
            ["_hcp", "channel", "captured_at"], ignore_index=True
        )
        ids = np.array(world.hcp_ids, dtype=object)[rows.pop("_hcp").to_numpy(np.int64)]
        rows.insert(0, "hcp_id", ids)
        rows["captured_at"] = moments(rows["captured_at"].to_numpy(np.int64))
        rows["expires_at"] = moments(rows["expires_at"].to_numpy(np.float64))
        return rows

    def _rows(
        self,
        where: Bools,
        captured: Floats,
        opt_type: str,
        *,
        event: str | None = None,
        expires: Floats | None = None,
    ) -> dict[str, NDArray[Any]]:
        hcp, channel = np.nonzero(where)
        n = len(hcp)
        return {
            "_hcp": hcp,
            "channel": np.array(CHANNELS, dtype=object)[channel],
            "opt_type": np.full(n, opt_type, dtype=object),
            "captured_at": captured[hcp, channel].astype(np.int64),
            "expires_at": np.full(n, np.nan) if expires is None else expires[hcp, channel],
            "optout_event": np.full(n, event, dtype=object),
        }
