"""Settings of the commands, and files of them."""

import json
import math

import pytest

import nba
from nba.errors import ArgumentError
from nba.features import STANDARD
from training.settings import CHOICES, USUAL, make_model, read_settings


def test_the_usual_settings_are_the_librarys_own():
    model = make_model()

    assert model.features.measures == STANDARD
    assert model.scorer.get_params() == nba.PairPropensity().get_params()
    assert {name: USUAL[name] for name in CHOICES} == USUAL
    assert all(USUAL[name] in choices for name, choices in CHOICES.items())


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_factors_stretch_what_fades_and_what_is_counted_and_nothing_else(factor):
    faded = make_model({**USUAL, "half_lives": factor}).features.measures
    counted = make_model({**USUAL, "windows": factor}).features.measures

    for before, one, two in zip(STANDARD, faded, counted, strict=True):
        assert getattr(one, "half_life_days", 0) == getattr(before, "half_life_days", 0) * factor
        assert getattr(one, "window_days", None) == getattr(before, "window_days", None)
        days = getattr(before, "window_days", None)
        assert getattr(two, "window_days", None) == (None if days is None else math.ceil(days * factor))
    assert len(set(counted)) == len(STANDARD)


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_makes_a_model_and_reads_back_from_a_file(name, tmp_path):
    for value in CHOICES[name]:
        path = tmp_path / "best.json"
        path.write_text(json.dumps({"params": {name: value}}))

        settings = read_settings(path)

        assert settings == {**USUAL, name: value}
        make_model(settings)


def test_without_a_file_the_settings_are_the_usual_ones():
    assert read_settings(None) == USUAL


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"params": {"shoe_size": 44}}', "shoe_size"),
        ('{"params": {"half_lives": 77}}', "half_lives"),
        ('{"params": 3}', "params"),
    ],
)
def test_a_file_of_something_else_is_refused(text, found, tmp_path):
    path = tmp_path / "best.json"
    path.write_text(text)

    with pytest.raises(ArgumentError, match=rf"{found}.*Expected"):
        read_settings(path)
