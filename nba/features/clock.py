"""What the clock on an HCP's wall said when something happened."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nba.contracts import Columns, Ints, Strings
from nba.history import places
from nba.tables.zones import known_zone

HOURS = tuple(f"{hour:02d}" for hour in range(24))
BLOCKS = tuple(f"{hour:02d}:00-{hour + 4:02d}:00" for hour in range(0, 24, 4))
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def clock_codes(by: str, interactions: Columns, hcps: Columns | None) -> tuple[list[str], Ints]:
    """The hours, blocks of four hours or weekdays there are, and which of them each event fell into.

    Parameters
    ----------
    by : "hour", "hour_block" or "weekday"
    interactions : canonical columns
    hcps : the hcp table, for each HCP's ``timezone``; one without a known zone is read in UTC

    Examples
    --------
    >>> log = {"ts": np.array([23 * 3600]), "hcp_id": np.array(["h1"], dtype=object)}
    >>> hcps = {"hcp_id": ["h1"], "timezone": ["Asia/Tokyo"]}
    >>> hcps = {name: np.array(texts, dtype=object) for name, texts in hcps.items()}
    >>> names, code = clock_codes("hour", log, hcps)
    >>> names[code[0]]
    '08'
    """
    local = interactions["ts"] + _offsets(interactions, hcps)
    if by == "weekday":
        return list(WEEKDAYS), (local // 86_400 + 3) % 7  # the first of January 1970 was a Thursday
    hour = local // 3_600 % 24
    return (list(HOURS), hour) if by == "hour" else (list(BLOCKS), hour // 4)


def _offsets(interactions: Columns, hcps: Columns | None) -> Ints:
    """(n_events,) seconds that each HCP's clock was ahead of UTC."""
    ts = interactions["ts"]
    ahead = np.zeros(len(ts), dtype=np.int64)
    if hcps is None or "timezone" not in hcps or not len(ts):
        return ahead
    zones = _zones_of(interactions["hcp_id"], hcps)
    codes, names = pd.factorize(zones)
    for code, name in enumerate(names):
        zone = known_zone(name)
        if zone is not None:
            mine = codes == code
            aware = pd.DatetimeIndex(ts[mine].astype("datetime64[s]"), tz="UTC").tz_convert(zone)
            wall = aware.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
            ahead[mine] = wall - ts[mine]
    return ahead


def _zones_of(ids: Strings, hcps: Columns) -> Strings:
    codes, names = pd.factorize(np.asarray(ids, dtype=object))
    place = places(hcps["hcp_id"], names)
    zones = np.append(hcps["timezone"], "").astype(object)
    found: Strings = zones[place][codes]
    return found
