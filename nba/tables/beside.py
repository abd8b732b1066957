"""What prescriptions, signals and networks must hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from nba.contracts import Bools
from nba.tables.findings import Findings, shown

Frames = dict[str, pd.DataFrame]

HCP_LEVEL = ("US", "USA")
"""Where prescriptions are commonly sold by HCP; elsewhere by brick or account."""


def check_beside(frames: Frames, findings: dict[str, Findings]) -> None:
    """Check what no single column can say; rows that say nothing are set aside aloud."""
    if "prescriptions" in frames:
        _warn_of_persons_abroad(frames["prescriptions"], frames["hcps"], findings["prescriptions"])
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


def _warn_of_persons_abroad(frame: pd.DataFrame, hcps: pd.DataFrame, findings: Findings) -> None:
    """Say where figures are of single HCPs in countries that know them by brick or account only."""
    if "hcp_id" not in frame.columns:
        return
    country = frame["hcp_id"].map(hcps.set_index("hcp_id")["country"])
    abroad = (country.notna() & ~country.astype(str).str.upper().isin(HCP_LEVEL)).to_numpy(dtype=np.bool_)
    if abroad.any():
        where = sorted(set(country[abroad].astype(str)))
        findings.warn(
            "hcp_id",
            f"{int(abroad.sum())} rows of single HCPs outside the US "
            f"({', '.join(shown(name) for name in where[:5])}{', ...' if len(where) > 5 else ''})",
            "They are read as given. In which countries prescriptions of a single HCP may be held is for "
            "your counsel to say; elsewhere give their brick_id alone.",
            bad=abroad,
        )


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
