"""What prescriptions, signals and networks must hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from nba.contracts import Bools
from nba.tables.findings import Findings

Frames = dict[str, pd.DataFrame]


def check_beside(frames: Frames, findings: dict[str, Findings]) -> None:
    """Check what no single column can say; rows that say nothing are set aside aloud."""
    for name, check in _CHECKS.items():
        if name in frames and len(frames[name]):
            frames[name] = check(frames[name], findings[name])


def _check_prescriptions(frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    nowhere = ~_filled(frame, "hcp_id") & ~_filled(frame, "brick_id")
    if nowhere.any():
        todo = "Say whose or where the prescriptions are, or drop these rows."
        findings.refuse(
            "hcp_id or brick_id", f"{int(nowhere.sum())} rows with neither", todo, bad=nowhere
        )  # fmt: skip
    early = (frame["available_at"] < frame["period"]).to_numpy()
    if early.any():
        # A figure known before its period began would be read as if it were of the past.
        todo = "available_at is when the figures could first be read, after the period; correct it."
        findings.refuse("available_at", f"{int(early.sum())} cells before the period", todo, bad=early)
    key = [
        name
        for name in ("hcp_id", "brick_id", "period", "product_id", "available_at")
        if name in frame.columns
    ]
    return _told_once(frame, key, findings)


def _told_once(frame: pd.DataFrame, key: list[str], findings: Findings) -> pd.DataFrame:
    """Rows without those that came twice; two figures of the same at the same moment are a fault."""
    kept = frame[~frame.duplicated()]
    twice = kept.duplicated(key).to_numpy()
    if twice.any():
        bad = np.zeros(len(frame), dtype=np.bool_)
        bad[kept.index.to_numpy()[twice]] = True
        found = f"{int(twice.sum())} rows with other figures of the same period, product and available_at"
        findings.refuse("available_at", found, "A correction is available later; give its moment.", bad=bad)
    if len(kept) < len(frame):
        findings.notes.append(f"prescriptions: {len(frame) - len(kept)} rows delivered again were dropped.")
    return kept.reset_index(drop=True)


def _check_signals(frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    aimless = (frame["scope"] != "global").to_numpy() & ~_filled(frame, "scope_id")
    if aimless.any():
        todo = "Say which HCP, HCO, brick or country they are about, or make their scope global."
        findings.refuse("scope_id", f"{int(aimless.sum())} cells empty", todo, bad=aimless)
    return frame


def _check_network(frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    selves = (frame["hcp_id_a"] == frame["hcp_id_b"]).to_numpy()
    if not selves.any():
        return frame
    findings.warn(
        "hcp_id_b", f"{int(selves.sum())} rows of an HCP with themselves", "They were set aside.", bad=selves
    )
    return frame[~selves].reset_index(drop=True)


def _filled(frame: pd.DataFrame, column: str) -> Bools:
    if column not in frame.columns:
        return np.zeros(len(frame), dtype=np.bool_)
    filled: Bools = frame[column].notna().to_numpy(dtype=np.bool_)
    return filled


_CHECKS: dict[str, Callable[[pd.DataFrame, Findings], pd.DataFrame]] = {
    "prescriptions": _check_prescriptions,
    "signals": _check_signals,
    "network": _check_network,
}
