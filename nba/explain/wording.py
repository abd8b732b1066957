"""The reviewed template book: every word a card may say."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

from nba.contracts import Evidence, Feature
from nba.errors import ArgumentError
from nba.explain.inert import inert, shorten

Forms = Mapping[str, str]

_MOST_NAMES = 16_384
_PLACE = re.compile(r"\{(\w+)\}")
_IN_TEMPLATES = {"label", "Label", "count", "of", "days", "window"}
_ABOUT = {"count", "of", "days", "match", "flag"}
_SECTIONS = (
    "window", "span", "heading", "do", "channel", "line", "band", "comparison", "population", "note", "stamp",
    "considered", "contrast", "number", "outcome", "friction", "insight", "sheet", "feedback", "dismiss",
    "teaches",
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """The sentences about one kind of feature, for and against.

    Attributes
    ----------
    about : the number that chooses between zero, one and many: "count", "of" or "days"; "match" knows
        zero and many alone; "flag" is said of a whole attribute without evidence, and of one value
        of it where the HCP has it
    favour, against : sentence by form: "never", "zero", "one", "many"
    pressure : first words of labels that count what was sent or went wrong. Where there are any, of every
        other label none is never said in favour, and some never against; () says either
    """

    about: str
    favour: Forms
    against: Forms
    pressure: tuple[str, ...] = ()

    def puzzles(self, label: str, *, form: str, sign: int) -> bool:
        """Whether a sentence would seem to speak for the other side: "no responses" in favour."""
        if not self.pressure or label.startswith(self.pressure):
            return False
        return (form == "zero") == (sign > 0)


@dataclass(frozen=True)
class Book:
    """All words of one language, as reviewed data with a version and a hash.

    Attributes
    ----------
    language, version : as written in the file
    digest : SHA-256 of the content (not of its layout); stands in what was said with it
    longest : characters of the longest sentence allowed
    months : twelve short names
    templates : sentences by template key (``Feature.wording``)
    phrases : the card's other words, by section and name
    singular : words of labels that change when the number is one
    labels : features' labels in this language: whole ones, or an event and where; a book that has them
        says nothing of a label that is not among them. Empty where labels are in this language already
    never, only_as_topic : words no sentence may hold; "*" stands for any ending
    """

    language: str
    version: str
    digest: str
    longest: int
    months: tuple[str, ...]
    templates: Mapping[str, Template]
    phrases: Mapping[str, Forms]
    singular: Forms
    labels: Mapping[str, Forms]
    never: tuple[str, ...]
    only_as_topic: tuple[str, ...]

    @classmethod
    def from_toml(cls, text: str) -> Book:
        """Read and check a template book.

        Raises
        ------
        ArgumentError
            The text is not TOML, a section is missing, a sentence has an unknown placeholder, or says
            a word from the book's own deny list. All faults are named at once.

        Examples
        --------
        >>> from importlib.resources import files
        >>> Book.from_toml(files("nba.explain").joinpath("book_en.toml").read_text("utf-8")).language
        'en'
        """
        try:
            entries = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ArgumentError(f"The template book is not TOML: {error}. Correct the file.") from error
        _check_sections(entries)
        book = cls(
            language=str(entries["language"]),
            version=str(entries["version"]),
            digest=_digest(entries),
            longest=int(entries["longest"]),
            months=tuple(entries["months"]),
            templates={key: _template(entry) for key, entry in entries["template"].items()},
            phrases={section: dict(entries[section]) for section in _SECTIONS},
            singular=dict(entries["singular"]),
            labels={name: dict(forms) for name, forms in entries.get("label", {}).items()},
            never=tuple(entries["deny"]["never"]),
            only_as_topic=tuple(entries["deny"]["only_as_topic"]),
        )
        _check_sentences(book)
        return book

    def phrase(self, section: str, name: str, **values: object) -> str:
        """One of the card's own phrases, filled by name; "" where the book has none.

        Examples
        --------
        >>> load_book().phrase("stamp", "contacts", contacts=2, cap=4, days="30 days")
        '2 of 4 contacts in 30 days'
        """
        return fill(self.phrases[section].get(name, ""), values)

    def sentence(
        self, feature: Feature, evidence: Evidence | None, *, sign: int, names: Forms | None = None
    ) -> str:
        """What may be said of one feature of one HCP, or "" where nothing may.

        Nothing is said without a template, without the counts that the sentence quotes, of a
        restricted feature, or where the words would be on the deny list.

        Parameters
        ----------
        feature : its ``wording``, ``label``, ``key`` and ``window_days`` are read
        evidence : the counts behind it; only a whole attribute does without
        sign : +1 speaks for the action, -1 against it
        names : what words of the label stand for: {"this channel": "approved email"}

        Examples
        --------
        >>> clicked = Feature("clicks", "approved emails clicked", wording="count", window_days=90)
        >>> load_book().sentence(clicked, Evidence(5), sign=+1)
        '5 approved emails clicked in the last 90 days'
        >>> load_book().sentence(clicked, Evidence(1), sign=+1)
        '1 approved email clicked in the last 90 days'
        """
        asked = (
            feature.wording, feature.visibility, feature.label, feature.key, feature.window_days, sign > 0,
            None if evidence is None else (evidence.count, evidence.of, _whole_days(evidence)),
            *(names or {}).items(),
        )  # fmt: skip
        said = self._sentences.get(asked)
        if said is None:
            if len(self._sentences) >= _MOST_NAMES:
                self._sentences.clear()
            said = self._sentences[asked] = self._said(feature, evidence, sign=sign, names=names)
        return said

    @cached_property
    def _sentences(self) -> dict[tuple[Any, ...], str]:
        """Sentences by all that they are made of: the same few counts come for HCP after HCP."""
        return {}

    def _said(self, feature: Feature, evidence: Evidence | None, *, sign: int, names: Forms | None) -> str:
        """The sentence itself."""
        template = self.templates.get(feature.wording)
        if template is None or feature.visibility == "restricted":
            return ""
        form = _form(template.about, evidence, is_value=bool(feature.key))
        pattern = (template.favour if sign > 0 else template.against).get(form, "")
        if template.puzzles(feature.label, form=form, sign=sign):
            return ""
        if not pattern:
            return ""
        is_one = form == "one" and template.about == "count"
        asked = (feature.label, feature.key, is_one, *(names or {}).items())
        named = self._named.get(asked)
        if named is None:
            if len(self._named) >= _MOST_NAMES:
                self._named.clear()
            named = self._named[asked] = self._name(feature, one=is_one, names=names or {})
        return named and self._fitted(pattern, named, evidence, feature.window_days)

    def is_denied(self, text: str, *, topic: str = "") -> bool:
        """Whether a text holds a word no card may say; ``topic`` is the topic's name inside it.

        Examples
        --------
        >>> load_book().is_denied("superior outcomes"), load_book().is_denied("safety pieces", topic="safety")
        (True, False)
        """
        if self._never.search(text):
            return True
        around = re.sub(re.escape(topic), " ", text, flags=re.IGNORECASE) if topic else text
        return bool(self._only_as_topic.search(around))

    def window(self, days: int | None) -> str:
        """How far back a number looks, as words.

        Examples
        --------
        >>> load_book().window(90), load_book().window(365), load_book().window(None)
        ('in the last 90 days', 'in the last 12 months', 'so far')
        """
        names = self.phrases["window"]
        if days is None:
            return names["ever"]
        return fill(names.get(str(days), names["one" if days == 1 else "many"]), {"days": days})

    def number(self, value: float, decimals: int = 0, *, sign: bool = False) -> str:
        """A number as the language writes it.

        Examples
        --------
        >>> load_book().number(1234.5, 1), load_book().number(-0.5, 1, sign=True)
        ('1,234.5', '−0.5')
        """
        plain = f"{value:+,.{decimals}f}" if sign else f"{value:,.{decimals}f}"
        return plain if plain.isdecimal() else plain.translate(self._marks)

    @cached_property
    def _marks(self) -> dict[int, str]:
        marks = self.phrases["number"]
        return {ord(","): marks["thousands"], ord("."): marks["decimal"], ord("-"): marks["minus"]}

    def span(self, days: int, *, ago: bool = False) -> str:
        """A number of days as words, as a length or as a time ago.

        Examples
        --------
        >>> load_book().span(1), load_book().span(4, ago=True)
        ('1 day', '4 days ago')
        """
        form = plural(days) if ago or days == 1 else "many"
        return self.phrase("span", f"ago_{form}" if ago else form, days=self.number(days))

    @cached_property
    def _named(self) -> dict[tuple[Any, ...], str]:
        """Labels as sentences say them, by what they were made of: HCP after HCP asks for the same."""
        return {}

    def _name(self, feature: Feature, *, one: bool, names: Forms) -> str:
        """A label as a sentence says it; "" where nothing may be said."""
        label = self._label(feature, one=one)
        if not label or self.is_denied(label, topic=_spaced(feature.key)):
            return ""
        named = _renamed(label, {**self._channel_names(feature.key), **names})
        return "" if self._never.search(named) else named

    @cached_property
    def _never(self) -> re.Pattern[str]:
        return _word_pattern(self.never)

    @cached_property
    def _only_as_topic(self) -> re.Pattern[str]:
        return _word_pattern(self.only_as_topic)

    def _channel_names(self, key: str) -> Forms:
        """What a label about one channel calls it: "head-office email", not "hq email"."""
        name = self.phrases["channel"].get(key)
        return {_spaced(key): name} if name else {}

    def _label(self, feature: Feature, *, one: bool) -> str:
        label = self._translated(_spaced(feature.label), _spaced(feature.key))
        if not one:
            return label
        topic = _spaced(feature.key)
        before, found, after = label.partition(topic) if topic else (label, "", "")
        return self._one(before) + found + self._one(after)

    def _translated(self, label: str, key: str) -> str:
        """A label in this language; "" where the book does not know it."""
        if not self.labels:
            return label
        pattern = label.replace(key, "{key}", 1) if key else label
        whole, events = self.labels.get("whole", {}), self.labels.get("event", {})
        found = whole.get(pattern) or events.get(pattern, "")
        for where, said in self.labels.get("where", {}).items():
            event = pattern.removesuffix(f" {where}")
            if not found and event != pattern and event in events:
                found = f"{events[event]} {said}"
        return fill(found, {"key": key})

    def _one(self, words: str) -> str:
        return re.sub(r"\w+", lambda word: self.singular.get(word[0], word[0]), words)

    def _fitted(self, pattern: str, label: str, evidence: Evidence | None, days: int | None) -> str:
        values = {"window": self.window(days), **_numbers(evidence, self)}
        room = self.longest - len(fill(pattern, {**values, "label": "", "Label": ""}))
        short = shorten(label, longest=room)
        if len(short) < min(len(label), 12):  # a label cut to nothing says nothing
            return ""
        return fill(pattern, {**values, "label": short, "Label": short[:1].upper() + short[1:]})


@cache
def load_book(language: str = "en") -> Book:
    """The shipped template book of a language.

    Raises
    ------
    ArgumentError
        No book of this language is shipped.

    Examples
    --------
    >>> load_book().version
    '1.0'
    """
    shipped = {path.name: path for path in files("nba.explain").iterdir() if path.name.endswith(".toml")}
    path = shipped.get(f"book_{language}.toml")
    if path is None:
        known = sorted(name.removeprefix("book_").removesuffix(".toml") for name in shipped)
        raise ArgumentError(
            f"No template book for language {language!r} is shipped; there are: {known}. "
            "Read your own with Book.from_toml(text)."
        )
    return Book.from_toml(path.read_text(encoding="utf-8"))


def fill(pattern: str, values: Mapping[str, object]) -> str:
    """Put values into a pattern by name; braces inside a value stay what they are.

    Examples
    --------
    >>> fill("{count} of {of}", {"count": "{of}", "of": 10})
    '{of} of 10'
    """
    if "{" not in pattern:
        return pattern
    pieces = list(_pieces(pattern))
    pieces[1::2] = [str(values.get(name, "")) for name in pieces[1::2]]
    return "".join(pieces)


@lru_cache(maxsize=4096)  # sentences of the books
def _pieces(pattern: str) -> tuple[str, ...]:
    """What is said between the places of a pattern, and their names by turns."""
    return tuple(_PLACE.split(pattern))


def plural(number: int) -> str:
    """The form that goes with a number.

    Examples
    --------
    >>> plural(0), plural(1), plural(5)
    ('zero', 'one', 'many')
    """
    return "zero" if number == 0 else "one" if number == 1 else "many"


def _form(about: str, evidence: Evidence | None, *, is_value: bool) -> str:
    if about == "flag":
        return "many" if not is_value or (evidence is not None and evidence.count > 0) else ""
    if evidence is None:
        return ""
    if about == "match":
        return "many" if evidence.count > 0 else "zero"
    if about == "days":
        days = _whole_days(evidence)
        return "never" if days is None else plural(days)
    if about == "of":
        return "" if not evidence.of else plural(max(evidence.count, 1))
    return plural(evidence.count)


def _renamed(label: str, names: Forms) -> str:
    for words, name in sorted(names.items()):
        label = label.replace(words, _spaced(name))
    return label


def _whole_days(evidence: Evidence) -> int | None:
    return None if evidence.days_ago is None else math.floor(evidence.days_ago)


def _numbers(evidence: Evidence | None, book: Book) -> dict[str, str]:
    if evidence is None:
        return {}
    numbers = {"count": evidence.count, "of": evidence.of}
    days = _whole_days(evidence)
    if days is not None:
        numbers["days"] = days
    return {name: book.number(number) for name, number in numbers.items() if number is not None}


@lru_cache(maxsize=4096)  # labels and names come again and again
def _spaced(text: str) -> str:
    return inert(text).replace("_", " ")


def _word_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    stems = [re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "") for word in words]
    return re.compile(rf"(?<!\w)(?:{'|'.join(stems) or '(?!)'})(?!\w)", re.IGNORECASE)


def _template(entry: Mapping[str, Any]) -> Template:
    return Template(
        about=str(entry["about"]),
        favour=dict(entry["for"]),
        against=dict(entry["against"]),
        pressure=tuple(entry.get("pressure", ())),
    )


def _digest(entries: Mapping[str, Any]) -> str:
    canonical = json.dumps(entries, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _check_sections(entries: Mapping[str, Any]) -> None:
    needed = ("language", "version", "longest", "months", "template", "singular", "deny", *_SECTIONS)
    missing = [name for name in needed if name not in entries]
    if missing:
        raise ArgumentError(f"The template book lacks {missing}. Take book_en.toml as the pattern.")


def _check_sentences(book: Book) -> None:
    faults = []
    for key, template in book.templates.items():
        if template.about not in _ABOUT:
            faults.append(f"template {key!r} is about {template.about!r}, not one of {sorted(_ABOUT)}")
        for text in (*template.favour.values(), *template.against.values()):
            unknown = sorted(set(_PLACE.findall(text)) - _IN_TEMPLATES)
            if unknown:
                faults.append(f"template {key!r} has the unknown placeholders {unknown}")
            if book.is_denied(text):
                faults.append(f"template {key!r} says a word from the deny list")
    for section, phrases in book.phrases.items():
        faults += [f"{section}.{name} says a word from the deny list"
                   for name, text in phrases.items() if book.is_denied(text)]  # fmt: skip
    if faults:
        raise ArgumentError(f"The template book has {len(faults)} faults: {'; '.join(faults)}. Correct them.")
