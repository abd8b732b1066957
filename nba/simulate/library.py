"""The documents: who may read them, and when they were in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nba.contracts import DAY, Bools, Floats, Ints
from nba.simulate.catalogue import (
    CHANNELS,
    COUNTRIES,
    FOLLOWS,
    INDICATIONS,
    KINDS,
    LANGUAGES,
    MEDICAL_CHANNELS,
    PRODUCTS,
    READ_IN,
    SPECIALTIES,
    TOPICS,
)


@dataclass(frozen=True)
class Library:
    """The content table and the same as codes; ``used_from`` and ``used_to`` say when it was in use."""

    table: pd.DataFrame
    family: Ints
    language: Ints
    indication: Ints
    topic: Ints
    kind: Ints
    depth: Ints
    used_from: Ints
    used_to: Ints
    carried_by: Bools  # (channels, contents)
    on_portal: Bools


def write_library(rng: np.random.Generator, *, contents: int, start: int, end: int) -> Library:
    rows = []
    for family in range(contents):
        depth = int(rng.integers(1, 6))
        left_out = LANGUAGES[1 + (family // 9) % 2] if family % 9 == 7 else ""
        for language in LANGUAGES:
            if language != left_out:
                rows += _editions(family, language, depth=depth, start=start, end=end)
    table = pd.DataFrame(rows)
    codes = {name: table.pop(f"_{name}").to_numpy(np.int64) for name in _CODES}
    for name in ("approved_from", "expiry", "last_reviewed"):
        table[name] = moments(table[name].to_numpy(np.int64))
    carried = np.array([[channel in row for row in table["channels"]] for channel in CHANNELS])
    return Library(
        table=table,
        depth=table["depth_level"].to_numpy(np.int64),
        carried_by=carried,
        on_portal=np.array(["portal" in row for row in table["channels"]]),
        **codes,
    )


_CODES = ("family", "language", "indication", "topic", "kind", "used_from", "used_to")


def _editions(family: int, language: str, *, depth: int, start: int, end: int) -> list[dict[str, object]]:
    """The versions of one document in one language, oldest first, as a real library holds them.

    Of every 24 documents one each is new, staged, withdrawn and expired, and one in ten was renewed
    midway: enough for every rule to find work, few enough that most of the library stays eligible.
    """
    middle = start + (end - start) // 2
    old, far = start - 200 * DAY, end + 400 * DAY
    fate = {3: "new", 9: "staged", 14: "withdrawn", 17: "expired"}.get(family % 24, "")
    if fate == "new":  # approved, but nobody has been shown it yet
        return [_edition(family, language, 1, depth=depth, window=(end - 12 * DAY, far), used=(far, far))]
    if fate == "staged":
        return [
            _edition(
                family,
                language,
                1,
                depth=depth,
                window=(end + 20 * DAY, far),
                used=(far, far),
                status="staged",
            )
        ]
    if fate == "withdrawn":
        window, used = (old, far), (old, end - 50 * DAY)
        return [_edition(family, language, 1, depth=depth, window=window, used=used, status="withdrawn")]
    if fate == "expired":
        window = (old, end - 35 * DAY)
        return [_edition(family, language, 1, depth=depth, window=window, used=window, status="expired")]
    if family % 10 == 5:
        first = _edition(family, language, 1, depth=depth, window=(old, far), used=(old, middle))
        second = _edition(family, language, 2, depth=depth, window=(middle, far), used=(middle, far))
        return [first, second]
    return [_edition(family, language, 1, depth=depth, window=(old, far), used=(old, far))]


def _edition(
    family: int,
    language: str,
    version: int,
    *,
    depth: int,
    window: tuple[int, int],
    used: tuple[int, int],
    status: str = "approved",
) -> dict[str, object]:
    indication, topic = family % 4, (family // 4 + 2 * (family % 4)) % len(TOPICS)
    kind = (family + family // 4) % len(KINDS)
    medical = KINDS[kind].form == "webinar" and family % 2 == 0
    name = f"c{family:02d}_{language}"
    subject = INDICATIONS[indication].capitalize()
    promoted = family % 3 == 0 and not medical
    return {
        "content_id": f"{name}_v{version}",
        "document_number": f"PM-{READ_IN[language][0]}-{family + 400:04d}",
        "version": f"{version}.0",
        "title": f"{subject}: {TOPICS[topic]} {KINDS[kind].noun}",
        "channels": list(MEDICAL_CHANNELS if medical else KINDS[kind].channels),
        "content_type": KINDS[kind].content_type,
        "format": KINDS[kind].form,
        "topic": TOPICS[topic],
        "product_id": PRODUCTS[indication],
        "indication": INDICATIONS[indication],
        "purpose": "medical" if medical else "promotional" if promoted else "educational",
        "depth_level": depth,
        "audience_specialty": [SPECIALTIES[row] for row in np.flatnonzero(FOLLOWS[:, indication] > 0.15)],
        "minutes": KINDS[kind].minutes,
        "language": language,
        "country": READ_IN[language],
        "approval_status": status,
        "approved_from": window[0],
        "expiry": window[1],
        "last_reviewed": window[0],
        "supersedes": f"{name}_v{version - 1}" if version > 1 else None,
        "family_id": f"c{family:02d}",
        "owner": f"brand team {PRODUCTS[indication]}",
        "_family": family,
        "_language": LANGUAGES.index(language),
        "_indication": indication,
        "_topic": topic,
        "_kind": kind,
        "_used_from": used[0],
        "_used_to": used[1],
    }


def label_rows() -> pd.DataFrame:
    """What each product may be promoted for: its own indication, the same in every country."""
    return pd.DataFrame(
        [
            {
                "product_id": product,
                "country": country,
                "indication": INDICATIONS[row],
                "topics": list(TOPICS),
                "specialties": [SPECIALTIES[s] for s in np.flatnonzero(FOLLOWS[:, row] > 0.15)],
            }
            for row, product in enumerate(PRODUCTS)
            for country in COUNTRIES
        ]
    )


def moments(seconds: Ints | Floats) -> pd.Series[pd.Timestamp]:
    """Seconds UTC (NaN is none) as zone-aware moments."""
    missing = np.isnan(seconds.astype(np.float64))
    whole = np.where(missing, 0, seconds).astype("int64")
    return pd.Series(pd.to_datetime(whole, unit="s", utc=True)).where(~missing)
