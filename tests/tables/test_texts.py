"""What a text column may hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nba.tables.checks import checked
from nba.tables.columns import TABLES

SECRET = "Jane Roe 555-0100"


def faults_of(frame: pd.DataFrame, table: str = "interactions", *, text: bool = False) -> list[str]:
    return checked(frame, TABLES[table], text=text)[1].faults


def warnings_of(frame: pd.DataFrame, table: str = "interactions") -> list[str]:
    return checked(frame, TABLES[table])[1].warnings


@pytest.fixture
def log(frames) -> pd.DataFrame:
    return frames["interactions"]


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(lambda n: [None] * n, id="all missing"),
        pytest.param(lambda n: ["", " ", *["held"] * (n - 2)], id="blank"),
        pytest.param(lambda n: [1] * n, id="integers"),
        pytest.param(lambda n: [float("inf")] * n, id="infinite"),
        pytest.param(lambda n: [2, "held"] * (n // 2) + ["held"] * (n % 2), id="mixed"),
        pytest.param(lambda n: [SECRET] * n, id="outside the vocabulary"),
    ],
)
def test_a_bad_outcome_is_a_fault_and_is_not_echoed(log, cells):
    (fault,) = faults_of(log.assign(outcome=cells(len(log))))

    assert fault.startswith("interactions.outcome: ")
    assert SECRET not in fault


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(lambda n: np.arange(n), id="integers"),
        pytest.param(lambda n: np.arange(n) + 0.5, id="floats"),
        pytest.param(lambda n: ["h1", 2, *["h3"] * (n - 2)], id="mixed"),
        pytest.param(lambda n: [b"h1"] * n, id="bytes"),
        pytest.param(lambda n: ["h1", b"h1", *["h3"] * (n - 2)], id="text and bytes"),
        pytest.param(lambda n: ["\ud800", *["h1"] * (n - 1)], id="lone surrogate"),
        pytest.param(lambda n: ["h1", None, *["h1"] * (n - 2)], id="missing"),
        pytest.param(lambda n: ["h1", "  ", *["h1"] * (n - 2)], id="blank"),
        pytest.param(lambda n: [["h1"]] * n, id="lists"),
    ],
)
def test_ids_that_are_not_text_are_faults(log, cells):
    frame = log.assign(hcp_id=pd.Series(list(cells(len(log))), dtype=object))

    (fault,) = faults_of(frame)

    assert fault.startswith("interactions.hcp_id: ")


def test_integer_ids_are_told_about_leading_zeros(log):
    assert "leading zeros" in faults_of(log.assign(hcp_id=range(len(log))))[0]


def test_ids_of_any_script_and_with_path_characters_are_fine(log):
    ids = ["héllo", "医師", "a|b", "../x", "a/b", "x:y"]
    frame = log.assign(hcp_id=[ids[i % len(ids)] for i in range(len(log))])

    result, findings = checked(frame, TABLES["interactions"])

    assert findings.faults == findings.warnings == []
    assert set(result["hcp_id"]) == set(ids)


def test_blanks_around_ids_and_case_variants_are_said_and_kept_apart(log):
    frame = log.assign(hcp_id=["h1", " h1", "H1", *["h2"] * (len(log) - 3)])

    result, findings = checked(frame, TABLES["interactions"])

    assert len(findings.warnings) == 2
    assert set(result["hcp_id"]) == {"h1", " h1", "H1", "h2"}


def test_untagged_content_is_said(frames):
    content = frames["content"].assign(topic=None).drop(columns="format")

    assert len(warnings_of(content, "content")) == 2
