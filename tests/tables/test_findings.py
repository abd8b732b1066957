"""How what was found is said."""

from __future__ import annotations

import numpy as np
import pytest

from nba.errors import TableError
from nba.tables.findings import Findings, raise_faults, shown


def test_a_fault_names_column_count_first_row_and_what_to_do():
    findings = Findings("hcps")

    findings.refuse("decile", "2 cells outside 1 to 10", "Correct them.", bad=np.array([False, True, True]))

    assert findings.faults == ["hcps.decile: 2 cells outside 1 to 10 (first at row 1). Correct them."]


def test_one_error_carries_the_faults_of_all_tables():
    first, second = Findings("hcps", faults=["a"]), Findings("content", faults=["b", "c"])

    with pytest.raises(TableError, match=r"content and hcps: 3 faults found") as caught:
        raise_faults([first, second, Findings("consent")])

    assert caught.value.faults == ("a", "b", "c")


def test_without_faults_nothing_is_raised():
    raise_faults([Findings("hcps", warnings=["odd"])])


def test_names_are_shown_short_and_without_control_characters():
    assert shown("a\x1b[31m\u202eb" + "c" * 99) == "a?[31m?b" + "c" * 52
