"""Text from tables is harmless once it has passed here."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.explain.inert import inert, shorten


@given(st.text())
def test_nothing_invisible_is_left_and_twice_is_once(text: str) -> None:
    line = inert(text)

    assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in line)
    assert inert(line) == line
    assert line == line.strip()
    assert len(line) <= 160


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\nb\r\nc\u2028d", "a b c d"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x9b31mred", "red"),
        ("abc\u202edef\u2066ghi", "abcdefghi"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("{0.__class__} %s {count}", "{0.__class__} %s {count}"),
        (None, ""),
    ],
)
def test_each_kind_of_trick_is_taken_away(dirty: str | None, clean: str) -> None:
    assert inert(dirty) == clean


@given(st.text())
def test_what_is_printable_would_lose_nothing_to_a_closer_look(text: str) -> None:
    kept = [c for c in text if not unicodedata.category(c).startswith("C") or c in "\t\n\r\v\f\x85"]
    spaced = "".join(" " if unicodedata.category(c)[0] in "ZC" else c for c in kept)

    if text.isprintable():
        assert inert(text, longest=len(text) + 1) == " ".join(spaced.split())


def test_letters_of_all_scripts_stay() -> None:
    names = "Dr. Łukasz Żółć · Δρ. Ωμέγα · 山田 · د. سمير"

    assert inert(names) == names


@given(st.text(max_size=40), st.integers(1, 50))
def test_a_shortened_line_is_never_too_long(line: str, longest: int) -> None:
    assert len(shorten(line, longest=longest)) <= longest
