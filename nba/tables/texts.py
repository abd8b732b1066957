"""Text columns: read in, and checked once a distinct value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Bools, Ints
from nba.tables.columns import Column
from nba.tables.findings import Findings, cells, check_missing
from nba.tables.moments import arrow_of


def read_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    """A text column with blanks as missing."""
    array = _as_text(series, column, findings)
    if array is None:
        return series
    encoded = array.dictionary_encode()
    distinct = encoded.dictionary
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    trimmed = pc.utf8_trim_whitespace(distinct)
    blank = _per_row(pc.equal(trimmed, ""), codes)
    if blank.any():
        array = pc.if_else(pa.array(~blank), array, pa.scalar(None, pa.large_string()))
    check_missing(column, findings, (codes < 0) | blank)
    _check_vocabulary(column, findings, distinct, codes, blank)
    _warn_of_variants(column, findings, distinct, trimmed, codes)
    return pd.Series(array.to_pandas())


def _as_text(series: pd.Series, column: Column, findings: Findings) -> pa.Array | None:
    try:
        array = arrow_of(series)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_null(array.type) or pa.types.is_string(array.type):
            array = array.cast(pa.large_string())
    except UnicodeEncodeError:
        findings.refuse(
            column.name, "a text is not valid Unicode", "Decode it again with the right encoding."
        )
        return None
    except (pa.ArrowException, OverflowError, TypeError):
        findings.refuse(column.name, "texts and other types are mixed", _AS_TEXT, bad=_not_str(series))
        return None
    if not pa.types.is_large_string(array.type):
        why = " Whole numbers have lost leading zeros." if pa.types.is_integer(array.type) else ""
        findings.refuse(column.name, f"{len(array)} cells are {array.type}, not text", _AS_TEXT + why)
        return None
    return array


_AS_TEXT = "Read the column as str at the source."


def _not_str(series: pd.Series) -> Bools:
    return np.array([not isinstance(v, str) and v is not None and v == v for v in series], dtype=np.bool_)


def _per_row(of_distinct: pa.Array, codes: Ints) -> Bools:
    """Spread a truth about distinct values over rows; missing rows are False."""
    truth = np.r_[of_distinct.to_numpy(zero_copy_only=False).astype(np.bool_), False]
    spread: Bools = truth[codes]
    return spread


def _check_vocabulary(
    column: Column, findings: Findings, distinct: pa.Array, codes: Ints, blank: Bools
) -> None:
    if not column.values:
        return
    known = _per_row(pc.is_in(distinct, pa.array(column.values, pa.large_string())), codes)
    bad = ~known & (codes >= 0) & ~blank
    if bad.any():
        todo = f"Expected one of {', '.join(column.values)}, in lower case."
        findings.refuse(column.name, f"{cells(bad)} outside the vocabulary", todo, bad=bad)


def _warn_of_variants(
    column: Column, findings: Findings, distinct: pa.Array, trimmed: pa.Array, codes: Ints
) -> None:
    if column.kind != "id" and column.name != "channel":
        return
    padded = _per_row(pc.and_(pc.not_equal(distinct, trimmed), pc.not_equal(trimmed, "")), codes)
    if padded.any():
        done = "They are kept as they are and match nothing without it; trim them at the source."
        findings.warn(column.name, f"{cells(padded)} with blanks around the text", done, bad=padded)
    # Names of single rows run into millions, and a person never types them.
    if column.name in _CASED:
        variants = len(distinct) - len(pc.unique(pc.utf8_lower(distinct)))
        if variants:
            done = "They are kept apart; make them equal at the source if they mean the same."
            findings.warn(column.name, f"{variants} values differ from another one only by case", done)


_CASED = frozenset({"hcp_id", "content_id", "product_id", "channel", "territory_id", "user_id"})
