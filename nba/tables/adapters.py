"""Tables that come under other names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from nba.errors import ArgumentError, TableError
from nba.tables.checks import as_pandas
from nba.tables.columns import TABLES
from nba.tables.engagement import Engagement
from nba.tables.localise import localised
from nba.tables.moments import as_moment, seconds


def from_frame(
    frame: object,
    *,
    mapping: Mapping[str, str],
    table: str = "interactions",
    constants: Mapping[str, Any] | None = None,
    values: Mapping[str, Mapping[Any, Any]] | None = None,
    zone: str | None = None,
) -> pd.DataFrame:
    """Bring a table under the schema's names; ``Engagement`` then checks it.

    Parameters
    ----------
    frame : a pandas, polars or pyarrow table
    mapping : our column to your column, ``{"hcp_id": "Account__c"}``
    table : which table it is to become
    constants : our columns that hold one value everywhere, ``{"direction": "outbound"}``
    values : per column of ours, your cell to our cell, ``{"outcome": {"Sent_vod": "sent"}}``; cells
        that are not named stay as they are
    zone : the time zone of moments that carry none

    Raises
    ------
    ArgumentError
        If the mapping names a column that the schema does not know.
    TableError
        If the mapping names a column that the frame does not have.

    Examples
    --------
    >>> crm = pd.DataFrame({"Account": ["h1"], "Land": ["DE"]})
    >>> from_frame(crm, mapping={"hcp_id": "Account", "country": "Land"}, table="hcps").columns.tolist()
    ['hcp_id', 'country']
    """
    source = as_pandas(frame, name=table)
    _check_mapping(source, {**mapping, **dict.fromkeys(constants or (), "")}, table=table)
    result = pd.DataFrame({ours: source[theirs] for ours, theirs in mapping.items()})
    for column, renamed in (values or {}).items():
        result[column] = result[column].map(lambda cell, renamed=renamed: renamed.get(cell, cell))
    for column, value in (constants or {}).items():
        result[column] = value
    return result if zone is None else _localised(result, table=table, zone=zone)


def _check_mapping(source: pd.DataFrame, mapping: Mapping[str, str], *, table: str) -> None:
    if table not in TABLES:
        raise ArgumentError(f"There is no table {table!r}. Expected one of {', '.join(TABLES)}.")
    unknown = sorted(set(mapping) - set(TABLES[table].names))
    if unknown:
        raise ArgumentError(
            f"{table} knows no column {unknown}. It knows {', '.join(TABLES[table].names)}. "
            "Write the mapping as {our name: your name}."
        )
    names = [str(name) for name in source.columns]
    missing = sorted(theirs for theirs in mapping.values() if theirs and theirs not in names)
    if missing:
        close = get_close_matches(missing[0], names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The frame has {names[:30]}."
        raise TableError(f"{table}: the frame has no column {missing}. {hint}")


def _localised(frame: pd.DataFrame, *, table: str, zone: str) -> pd.DataFrame:
    moments = [c.name for c in TABLES[table].columns if c.kind == "moment" and c.name in frame]
    naive = [
        name for name in moments if frame[name].dtype.kind == "M" and not hasattr(frame[name].dtype, "tz")
    ]
    return frame.assign(**{name: localised(frame[name], zone) for name in naive})


_NO_DRUG = "(none)"
_OPEN_PAYMENTS_UNTIL = "2015-07-01"


def open_payments(folder: str | Path, *, observed_until: object = _OPEN_PAYMENTS_UNTIL) -> Engagement:
    """Read CMS Open Payments contacts of Iowa physicians as an engagement log.

    Every reported contact is an outbound touch that was held; its channel is the nature of payment, its
    content the drug (none where no drug was named), whose ``detail_group`` is the company that reported it
    most often. Exact repeats within a day are real and kept.
    Content is marked staged: these are meals, fees and gifts to forecast, never to recommend.

    Parameters
    ----------
    folder : holds ``events.parquet`` and ``hcps.parquet``
    observed_until : as for ``Engagement``

    Raises
    ------
    TableError
        If the files are not there.
    """
    events, hcps = (_open_payments_file(Path(folder), name) for name in ("events.parquet", "hcps.parquet"))
    contacts = _contacts(events)
    # Drugs and natures first reported later must not show in the tables of an earlier day.
    seen = seconds(contacts["ts"]) < as_moment(observed_until, name="observed_until")
    contacts = contacts[seen]
    return Engagement(
        contacts,
        _drugs(contacts.assign(maker=events.loc[seen, "manufacturer"])),
        _physicians(hcps),
        channels=_natures(contacts),
        observed_until=observed_until,
    )


def _open_payments_file(folder: Path, name: str) -> pd.DataFrame:
    path = folder / name
    if not path.is_file():
        raise TableError(
            f"{str(folder)!r} has no {name}. Expected a folder with events.parquet and hcps.parquet."
        )
    return pd.read_parquet(path)


def _contacts(events: pd.DataFrame) -> pd.DataFrame:
    drug = events["content"].where(events["content"] != _NO_DRUG)
    return pd.DataFrame(
        {
            "interaction_id": _contact_ids(events),
            "hcp_id": events["hcp_id"],
            # Days without a time of day; which zone's day it was is not recorded.
            "ts": events["event_time"].dt.tz_localize("UTC"),
            "channel": events["channel"],
            "direction": "outbound",
            "outcome": "held",
            "content_id": drug,
            "product_id": drug,
            "amount": events["amount_usd"],
            "source": "open_payments",
        }
    )


def _contact_ids(events: pd.DataFrame) -> list[str]:
    """Ids from what each record says, and which of its exact repeats it is."""
    days = events["event_time"].dt.strftime("%Y-%m-%d")
    said = events.assign(event_time=days).astype(str).sort_index(axis=1)
    digests = [
        hashlib.blake2b("\x1f".join(cells).encode(), digest_size=10).hexdigest()
        for cells in said.itertuples(index=False, name=None)
    ]
    repeat = pd.Series(digests).groupby(digests).cumcount()
    return [f"{digest}-{again}" for digest, again in zip(digests, repeat, strict=True)]


def _drugs(contacts: pd.DataFrame) -> pd.DataFrame:
    named = contacts.dropna(subset=["content_id"])
    channels = named.groupby("content_id", sort=True)["channel"].agg(lambda seen: sorted(set(seen)))
    drugs = list(channels.index)
    makers = named.groupby("content_id", sort=True)["maker"].agg(_most_frequent)
    return pd.DataFrame(
        {
            "content_id": drugs,
            "document_number": drugs,
            "version": "1",
            "title": drugs,
            "channels": list(channels),
            "content_type": "drug",
            "format": "contact",
            "topic": drugs,
            "product_id": drugs,
            "detail_group": list(makers),
            "purpose": "promotional",
            "language": "en",
            "country": [["US"]] * len(drugs),
            "approval_status": "staged",
            "approved_from": pd.Timestamp("2013-01-01", tz="UTC"),
            "expiry": pd.Timestamp("2100-01-01", tz="UTC"),
        }
    )


def _most_frequent(names: pd.Series[str]) -> str:
    """The name met most often; of equals the first by name."""
    return str(names.value_counts().sort_index().idxmax())


def _physicians(hcps: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hcp_id": hcps["hcp_id"],
            "country": "US",
            "specialty": hcps["specialty"],
            "role": hcps["primary_type"],
            "brick_id": hcps["zip3"],
        }
    )


def _natures(contacts: pd.DataFrame) -> pd.DataFrame:
    names = sorted(contacts["channel"].unique())
    return pd.DataFrame(
        {
            "channel": names,
            "function": "none",
            "direction": "outbound",
            "consent_required": False,
            "success": [["held"]] * len(names),
            "attribution_days": 30.0,
            "cost": 0.0,
            "minutes": 0.0,
            "personal": True,
        }
    )
