"""Answers that are kept are the answers that would be given now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nba.kept import kept


@kept
def joined(names, actions, mark):
    return np.array([mark.join((*names.tolist(), *actions))], dtype=object)


def texts(*values):
    return np.array(values, dtype=object)


def test_the_same_question_gets_the_same_answer_without_work():
    names, actions = texts("a", "b"), ("c",)

    assert joined(names, actions, "-") is joined(names, actions, "-")
    assert joined(names, actions, "-").tolist() == ["a-b-c"]
    assert joined(names, actions, "+").tolist() == ["a+b+c"]


def test_a_column_written_to_since_is_asked_about_afresh():
    names, actions = texts("a", "b"), ("c",)
    joined(names, actions, "-")
    names[0] = "x"

    assert joined(names, actions, "-").tolist() == ["x-b-c"]


def test_a_new_object_where_an_old_one_stood_is_not_taken_for_it():
    found = [joined(texts(str(i)), (str(i),), "-").tolist() for i in range(500)]

    assert found == [[f"{i}-{i}"] for i in range(500)]


def test_an_answer_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        joined(texts("a"), (), "-")[0] = "b"


def test_threads_get_their_own_answers():
    columns = [texts(str(i)) for i in range(100)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: joined(columns[i % 100], (), "-")[0], range(5_000)))

    assert found == [str(i % 100) for i in range(5_000)]
