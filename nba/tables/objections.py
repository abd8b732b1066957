"""Who objects to being profiled."""

from __future__ import annotations

import numpy as np

from nba.contracts import Bools, Columns, Ints, Strings

PROFILING = "profiling"
"""The purpose of consent rows that are about profiling; they open and close no channel."""


def profiling_objections(consent: Columns | None, *, at: int) -> frozenset[str]:
    """The HCPs whose latest word on profiling, as of a moment, is an opt-out.

    An opt-out counts from its very moment on, anything else strictly after it, as for every consent; at the
    same moment an opt-out wins.

    Parameters
    ----------
    consent : columns of the consent table, or None where there is none
    at : int seconds UTC

    Examples
    --------
    >>> rows = {"hcp_id": ["h1", "h2"], "purpose": ["profiling", "promotional"],
    ...         "opt_type": ["opt_out", "opt_out"], "captured_at": [5, 5]}
    >>> profiling_objections({name: np.array(values) for name, values in rows.items()}, at=5)
    frozenset({'h1'})
    """
    words = _words(consent)
    return frozenset(hcp for hcp, mine in words.items() if _objects(mine, at))


def objects_to_profiling(consent: Columns | None, *, hcps: Strings, at: Ints) -> Bools:
    """(n,) whether each HCP objects to being profiled, each as of its own moment.

    Parameters
    ----------
    consent : as in :func:`profiling_objections`
    hcps, at : (n,) who, and int64 seconds UTC

    Examples
    --------
    >>> rows = {"hcp_id": ["h1"], "purpose": ["profiling"], "opt_type": ["opt_out"], "captured_at": [5]}
    >>> consent = {name: np.array(values) for name, values in rows.items()}
    >>> objects_to_profiling(consent, hcps=np.array(["h1", "h1", "h2"]), at=np.array([4, 5, 6])).tolist()
    [False, True, False]
    """
    words = _words(consent)
    found = np.zeros(len(hcps), dtype=np.bool_)
    if words:
        asked = zip(hcps.tolist(), at.tolist(), strict=True)
        found[:] = [hcp in words and _objects(words[hcp], moment) for hcp, moment in asked]
    return found


def profiling_words(consent: Columns) -> Columns:
    """The rows of a consent table that are about profiling: few, so that they are found once.

    Examples
    --------
    >>> rows = {"hcp_id": ["h1", "h2"], "purpose": ["profiling", "promotional"],
    ...         "opt_type": ["opt_out", "opt_out"], "captured_at": [5, 5]}
    >>> profiling_words({name: np.array(values) for name, values in rows.items()})["hcp_id"].tolist()
    ['h1']
    """
    rows = np.flatnonzero(consent["purpose"] == PROFILING)
    return {name: consent[name][rows] for name in ("hcp_id", "purpose", "opt_type", "captured_at")}


def _words(consent: Columns | None) -> dict[str, list[tuple[int, bool]]]:
    """What each HCP has said of profiling: (moment, whether it was an opt-out)."""
    words: dict[str, list[tuple[int, bool]]] = {}
    if consent is None or "purpose" not in consent:
        return words
    for i in np.flatnonzero(consent["purpose"] == PROFILING).tolist():
        word = int(consent["captured_at"][i]), bool(consent["opt_type"][i] == "opt_out")
        words.setdefault(str(consent["hcp_id"][i]), []).append(word)
    return words


def _objects(words: list[tuple[int, bool]], at: int) -> bool:
    known = [word for word in words if word[0] < at or (word[0] == at and word[1])]
    return max(known, default=(0, False))[1]
