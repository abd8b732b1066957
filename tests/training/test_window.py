"""A training part and a later window of labels, with their columns."""

import numpy as np

from nba.contracts import Action, Design, Feature, Labels
from training.window import contents_of, some, taken, with_columns


def design():
    return Design(
        shared=np.arange(8.0).reshape(4, 2), own=np.arange(6.0)[:, None], row=np.array([0, 0, 1, 2, 3, 3]),
        pair=np.array([0, 1, 0, 1, 0, 1]), actions=(Action("a", "x"), Action("b", "y")),
        groups=(("channel=a",), ("channel=b",)),
        shared_features=(Feature("clicks", "clicks"), Feature("role", "role", family="contextual")),
        own_features=(Feature("met", "met"),),
    )  # fmt: skip


def test_unwanted_columns_are_gone_from_values_and_names():
    left = with_columns(design(), lambda feature: feature.family != "behavioural")

    assert [f.name for f in left.features] == ["role"]
    assert left.shared.tolist() == [[1.0], [3.0], [5.0], [7.0]]
    assert left.own.shape == (6, 0)


def test_taken_requests_keep_their_rows():
    left = taken(design(), np.array([1, 4]))

    assert (left.row.tolist(), left.pair.tolist(), left.own.tolist()) == ([0, 3], [1, 0], [[1.0], [4.0]])


def test_some_labels_each_have_a_row_of_their_own():
    labels = Labels(
        hcps=np.array(["h1", "h2"], dtype=object), at=np.array([10, 20]), row=np.array([0, 0, 1]),
        pair=np.array([0, 1, 0]), y=np.array([0.0, 1.0, 1.0]), actions=design().actions, censored=3,
        selection_prob=np.array([0.1, 0.2, 0.3]),
    )  # fmt: skip

    left = some(labels, np.array([1, 2]))

    assert left.hcps[left.row].tolist() == ["h1", "h2"]
    assert (left.at.tolist(), left.y.tolist(), left.selection_prob.tolist()) == (
        [10, 20],
        [1.0, 1.0],
        [0.2, 0.3],
    )
    assert contents_of(labels.actions, left.pair).tolist() == ["y", "x"]
