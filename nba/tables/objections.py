"""Who objects to being profiled."""

from __future__ import annotations

import numpy as np

from nba.contracts import Columns

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
    if consent is None or "purpose" not in consent:
        return frozenset()
    latest: dict[str, tuple[int, bool]] = {}
    for i in np.flatnonzero(consent["purpose"] == PROFILING):
        word = int(consent["captured_at"][i]), bool(consent["opt_type"][i] == "opt_out")
        if word[0] < at or (word[0] == at and word[1]):
            latest[consent["hcp_id"][i]] = max(latest.get(consent["hcp_id"][i], word), word)
    return frozenset(str(hcp) for hcp, (_, objects) in latest.items() if objects)
