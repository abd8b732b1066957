"""What depends on the actions alone is looked up once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_array_equal

from nba.contracts import Action
from nba.features import Asked, Count, Fit

ACTIONS = (Action("email", "m1"), Action("push", "m2"), Action("email", "m9"), Action("email", "m2"))


def objects(*values: Any) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


CONTENT = {
    "content_id": objects("m1", "m2"),
    "topic": objects("dosing", ""),
    "audience_specialty": objects(("cardiology", "oncology"), ()),
}


def asked(*measures: Any) -> Asked:
    return Asked.of(ACTIONS, measures=measures, content=CONTENT)


def test_actions_share_the_keys_they_have_in_common() -> None:
    found = asked(Count(by="channel", own=True), Count(by="content", own=True))

    keys, view = found.own["channel"]
    assert [keys[v] for v in view] == ["email", "push", "email", "email"]
    keys, view = found.own["content"]
    assert [keys[v] for v in view] == ["m1", "m2", "m9", "m2"]


def test_a_pair_is_its_own_key() -> None:
    keys, view = asked(Count(by="pair", own=True)).own["pair"]

    assert tuple(keys[v] for v in view) == ACTIONS


def test_content_without_a_topic_or_unknown_has_no_key() -> None:
    keys, view = asked(Count(by="topic", own=True)).own["topic"]

    assert (keys, view.tolist()) == (("dosing",), [0, -1, -1, -1])


def test_only_what_the_measures_need_is_looked_up() -> None:
    assert not asked(Count(), Count(by="channel")).own


def test_a_fit_is_missing_where_either_side_is_unknown() -> None:
    names = objects("cardiology", "surgery", "")

    grid = asked(Fit()).fits("audience_specialty", names)

    nan = np.nan
    assert_array_equal(grid, [[1, nan, nan, nan], [0, nan, nan, nan], [nan] * 4])


def test_no_actions_are_no_columns_of_the_grid() -> None:
    none = Asked.of((), measures=[Fit()], content=CONTENT)

    assert none.fits("audience_specialty", objects("cardiology", "")).shape == (2, 0)
