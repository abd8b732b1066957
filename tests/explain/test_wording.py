"""The book says what the counts say, and none of what it must not."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import Evidence, Feature
from nba.errors import ArgumentError
from nba.explain.wording import Book, load_book

BOOK = load_book()
SOURCE = files("nba.explain").joinpath("book_en.toml").read_text(encoding="utf-8")

# Kept apart from the book's own list on purpose: who edits the book cannot loosen this one by accident.
CLAIMS = [
    "best", "better", "superior", "safer", "safe", "effective", "efficacy", "proven", "guaranteed", "cures",
    "prescribing", "prescription", "rx", "trx", "nrx", "patients", "vulnerable", "swayed", "susceptible",
]  # fmt: skip


def feature(wording: str, label: str = "approved emails clicked", **changes: object) -> Feature:
    return replace(Feature("f", label, wording=wording, window_days=90), **changes)  # type: ignore[arg-type]


def all_texts() -> list[str]:
    templates = [
        form for t in BOOK.templates.values() for side in (t.favour, t.against) for form in side.values()
    ]
    return templates + [text for section in BOOK.phrases.values() for text in section.values()]


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_text_of_the_book_makes_a_claim(claim: str) -> None:
    assert not [text for text in all_texts() if re.search(rf"\b{claim}\b", text, re.IGNORECASE)]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_label_that_makes_a_claim_is_never_said(claim: str) -> None:
    assert BOOK.sentence(feature("count", f"{claim} emails"), Evidence(5), sign=1) == ""


@pytest.mark.parametrize("claim", ["superior", "proven", "best", "TRx", "vulnerable"])
def test_not_even_as_a_topic(claim: str) -> None:
    about = feature("count", f"engagements on {claim}", key=claim)

    assert BOOK.sentence(about, Evidence(5), sign=1) == ""
    assert BOOK.sentence(feature("count", "engagements on this topic"), Evidence(5), sign=1,
                         names={"this topic": claim}) == ""  # fmt: skip


def test_a_topic_may_be_called_safety_or_efficacy() -> None:
    about = feature("count", "engagements on safety", key="safety")

    assert BOOK.sentence(about, Evidence(2), sign=1) == "2 engagements on safety in the last 90 days"


@pytest.mark.parametrize(
    ("wording", "evidence", "said"),
    [
        ("count", Evidence(0), ""),
        ("count", Evidence(1), "1 approved email clicked in the last 90 days"),
        ("count", Evidence(1234), "1,234 approved emails clicked in the last 90 days"),
        ("rate", Evidence(5, of=10), "Approved emails clicked: 5 of 10 in the last 90 days"),
        ("rate", Evidence(0, of=6), "Approved emails clicked: 0 of 6 in the last 90 days"),
        ("rate", Evidence(0, of=0), ""),
        ("rate", Evidence(3), ""),
        ("recency", Evidence(1, days_ago=4.9), "Approved emails clicked: last one 4 days ago"),
        ("recency", Evidence(1, days_ago=1.2), "Approved emails clicked: last one 1 day ago"),
        ("recency", Evidence(1, days_ago=0.2), "Approved emails clicked: last one less than a day ago"),
        ("recency", Evidence(0), "No approved emails clicked in the last 90 days"),
        ("streak", Evidence(3), "3 approved emails clicked in a row without a response"),
        ("streak", Evidence(0), ""),
        ("decayed", Evidence(2), "Recently active: approved emails clicked"),
        ("decayed", Evidence(0), ""),
        ("fit", Evidence(1), "Approved emails clicked match"),
        ("fit", Evidence(0), "Approved emails clicked differ"),
        ("unknown", Evidence(1), ""),
        ("count", None, ""),
    ],
)
def test_each_kind_of_number_reads_right(wording: str, evidence: Evidence | None, said: str) -> None:
    assert BOOK.sentence(feature(wording), evidence, sign=1).replace("only ", "") == said


def test_one_value_of_an_attribute_is_said_only_of_who_has_it() -> None:
    cardiology = feature("attribute", "specialty Cardiology", key="Cardiology")

    assert BOOK.sentence(cardiology, None, sign=1) == ""
    assert BOOK.sentence(cardiology, Evidence(0), sign=1) == ""
    assert (
        BOOK.sentence(cardiology, Evidence(1), sign=1)
        == "Specialty Cardiology: matches those who usually respond"
    )
    assert BOOK.sentence(cardiology, Evidence(1), sign=-1).endswith("differs from those who usually respond")


def test_this_channel_is_called_by_its_name() -> None:
    responses = feature("rate", "responses by this channel", key="approved_email")

    said = BOOK.sentence(responses, Evidence(5, of=10), sign=1, names={"this channel": "approved email"})

    assert said == "Responses by approved email: 5 of 10 in the last 90 days"


def test_a_restricted_feature_is_never_worded() -> None:
    assert BOOK.sentence(feature("count", visibility="restricted"), Evidence(5), sign=1) == ""


@given(
    wording=st.sampled_from([*sorted(BOOK.templates), "unknown"]),
    label=st.text(max_size=200),
    count=st.integers(0, 10**9),
    of=st.none() | st.integers(0, 10**9),
    days=st.none() | st.floats(0, 1e5),
    window=st.none() | st.integers(1, 10_000),
    sign=st.sampled_from([1, -1]),
)
def test_a_sentence_is_one_short_line_whose_numbers_are_the_counts(
    wording: str, label: str, count: int, of: int | None, days: float | None, window: int | None, sign: int
) -> None:
    about = feature(wording, re.sub(r"\d", "", label), window_days=window)

    said = BOOK.sentence(about, Evidence(count, of, days), sign=sign)

    assert len(said) <= 90
    assert "\n" not in said
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said) if number.isascii()}
    spoken = BOOK.window(window)
    known = {count, of, None if days is None else int(days)} | {int(n) for n in re.findall(r"\d+", spoken)}
    assert numbers <= known


def test_braces_in_labels_are_only_characters() -> None:
    said = BOOK.sentence(feature("count", "{count.__class__} {window} {0} %s"), Evidence(5), sign=1)

    assert said == "5 {count.  class  } {window} {0} %s in the last 90 days"


def test_the_digest_goes_with_the_words_not_with_the_layout() -> None:
    assert Book.from_toml(SOURCE.replace("\n\n", "\n\n\n")).digest == BOOK.digest
    assert Book.from_toml(SOURCE.replace("Recently active", "Lately active")).digest != BOOK.digest


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("{count} {label} {window}", "{count} {hcp_id}", "hcp_id"),
        ("Recently active: {label}", "Proven interest: {label}", "deny list"),
        ('no_reason = "No single reason stands out"', 'no_reason = "The best choice"', "note.no_reason"),
        ('about = "days"', 'about = "weeks"', "weeks"),
        ("[heading]", "[headings]", "heading"),
        ('language = "en"', "language = ", "not TOML"),
    ],
)
def test_a_book_with_a_fault_is_refused_by_name(old: str, new: str, named: str) -> None:
    assert old in SOURCE

    with pytest.raises(ArgumentError, match=named):
        Book.from_toml(SOURCE.replace(old, new))


def test_an_unknown_language_names_those_that_are_shipped() -> None:
    with pytest.raises(ArgumentError, match=r"'xx'.*\['de', 'en'\]"):
        load_book("xx")


def test_a_label_about_a_channel_calls_it_as_the_card_does() -> None:
    about = feature("count", "contacts by hq email", key="hq_email")

    assert BOOK.sentence(about, Evidence(1), sign=1) == "1 contact by head-office email in the last 90 days"


def test_one_of_one_is_never_said_to_be_only_one() -> None:
    about = feature("rate", "responses by phone", key="phone")

    assert (
        BOOK.sentence(about, Evidence(1, of=1), sign=-1)
        == "Responses by phone call: 1 of 1 in the last 90 days"
    )


@pytest.mark.parametrize(
    ("label", "evidence", "sign", "said"),
    [
        ("responses by email", Evidence(0), 1, ""),
        ("responses by email", Evidence(0), -1, "No responses by email in the last 90 days"),
        ("responses by email", Evidence(4), -1, ""),
        ("contacts by email", Evidence(0), 1, "No contacts by email in the last 90 days"),
        ("contacts by email", Evidence(4), -1, "4 contacts by email in the last 90 days"),
    ],
)
def test_nothing_is_said_that_seems_to_speak_for_the_other_side(
    label: str, evidence: Evidence, sign: int, said: str
) -> None:
    told = Feature("x", label, wording="count", window_days=90)

    assert BOOK.sentence(told, evidence, sign=sign) == said


GERMAN = load_book("de")


def test_every_language_has_every_phrase_with_the_same_places() -> None:
    import re

    def places(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", text))

    assert GERMAN.phrases.keys() == BOOK.phrases.keys()
    for section, phrases in BOOK.phrases.items():
        assert GERMAN.phrases[section].keys() == phrases.keys(), section
        for name, text in phrases.items():
            assert places(GERMAN.phrases[section][name]) == places(text), (section, name)
    assert GERMAN.templates.keys() == BOOK.templates.keys()
    for key, template in BOOK.templates.items():
        assert GERMAN.templates[key].favour.keys() == template.favour.keys()
        assert GERMAN.templates[key].against.keys() == template.against.keys()
    assert GERMAN.digest != BOOK.digest


def test_the_standard_features_are_said_in_every_language() -> None:
    from nba.features import Attribute, EngagementFeatures, Fit

    said = 0
    for measure in EngagementFeatures.standard().measures:
        if isinstance(measure, Attribute) and measure.visibility != "rep":
            continue
        key = "" if isinstance(measure, Fit) else "oncology"
        one = measure.describe() if isinstance(measure, Fit) else measure.describe(key)
        evidence = Evidence(1, of=2, days_ago=3.0)
        sentences = [GERMAN.sentence(one, evidence, sign=s, names={"this channel": "Anruf"}) for s in (1, -1)]
        assert any(sentences), one.label
        for sentence in filter(None, sentences):
            assert "this channel" not in sentence
            assert not {"contacts", "responses", "engagements", "the", "with"} & set(sentence.split())
            said += 1
    assert said > 40


@pytest.mark.parametrize(
    ("label", "key", "count", "said"),
    [
        ("responses by rep visit", "rep_visit", 1, "1 Antwort über Besuch in den letzten 90 Tagen"),
        ("contacts by push", "push", 0, "Keine Kontakte über Push-Nachricht in den letzten 90 Tagen"),
        (
            "engagements on dosing",
            "dosing",
            1200,
            "1.200 Interaktionen zum Thema dosing in den letzten 90 Tagen",
        ),
        ("unheard-of things", "", 3, ""),
    ],
)
def test_german_has_its_own_plurals_and_marks_and_says_nothing_it_does_not_know(
    label: str, key: str, count: int, said: str
) -> None:
    told = Feature("x", label, wording="count", window_days=90, key=key)

    assert GERMAN.sentence(told, Evidence(count), sign=1) == said


def test_german_denies_claims() -> None:
    assert all(
        GERMAN.is_denied(word) for word in ("bewiesene Wirkung", "das Beste", "garantiert", "sicherer")
    )
