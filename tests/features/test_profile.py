"""The hcp table says what it knows of an HCP, and nothing of whom it does not know."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nba.features import Attribute
from nba.features.profile import NUMBER, Profiles, levels

TABLE = {
    "hcp_id": np.array(["a", "b", "c", "d"], dtype=object),
    "role": np.array(["nurse", "", "physician", "nurse"], dtype=object),
    "decile": np.array([1.0, 2.0, np.nan, 4.0]),
    "do_not_call": np.array([True, False, False, True]),
    "pdrp_opt_out": np.array([False, False, False, True]),
}


def profiles(*hcps: str) -> Profiles:
    return Profiles(TABLE, np.array(hcps, dtype=object))


@pytest.mark.parametrize(("enough", "found"), [(1, ("nurse", "physician")), (2, ("nurse",)), (3, ())])
def test_values_that_enough_hcps_share_have_a_flag(enough: int, found: tuple[str, ...]) -> None:
    assert levels(Attribute(column="role", min_hcps=enough), TABLE) == found


def test_a_flag_is_missing_where_the_value_or_the_hcp_is_unknown() -> None:
    flags = profiles("d", "nobody", "b", "c").flags(Attribute(column="role"), ("nurse", "surgeon"))

    nan = np.nan
    assert_array_equal(flags, [[1, 0], [nan, nan], [nan, nan], [0, 0]])


@pytest.mark.parametrize(("column", "values"), [("decile", [1, 2, np.nan, 4]), ("do_not_call", [1, 0, 0, 1])])
def test_a_number_or_a_yes_is_one_column(column: str, values: list[float]) -> None:
    attribute = Attribute(column=column)

    assert levels(attribute, TABLE) == NUMBER
    assert_array_equal(profiles("a", "b", "c", "d").flags(attribute, NUMBER)[:, 0], values)


def test_protected_values_are_missing_on_every_path() -> None:
    restricted = Attribute(column="decile", visibility="restricted")

    assert_array_equal(profiles("d", "a").flags(restricted, NUMBER), [[np.nan], [1.0]])
