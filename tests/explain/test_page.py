"""The page is small, needs nothing, runs nothing, and can be read by everybody."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.explain.card import build_card
from nba.explain.confidence import Reference
from nba.explain.example import example_inputs, example_receipt
from nba.explain.inert import inert

CSS = files("nba.explain").joinpath("card.css").read_text(encoding="utf-8")
VOID = {"meta"}


class Outline(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.words.append((self.open[-1], data.strip()))


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def full_page(**changes: object) -> str:
    return build_card(
        example_receipt(), reference=Reference(0.04), **{**example_inputs(), **changes}
    ).to_html()  # type: ignore[arg-type]


def test_the_page_is_under_50_kb_and_asks_for_nothing() -> None:
    html = full_page()
    page = outline(html)

    assert len(html.encode()) < 50_000
    assert not {"script", "link", "img", "iframe", "object", "form", "a", "base"} & set(page.tags)
    assert not [
        name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href", "style")
    ]
    assert not re.search(r"url\(|@import|https?:|expression\(", html)


def test_headings_go_down_one_level_at_a_time() -> None:
    headings = [tag for tag, _ in outline(full_page()).words if re.fullmatch(r"h\d", tag)]

    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert set(headings[1:]) == {"h2"}


def test_what_to_do_why_and_what_to_watch_come_in_this_order() -> None:
    words = [text for _, text in outline(full_page()).words]

    order = [words.index(w) for w in ("Send approved email", "Why", "Watch", "Interests", "id 7f3a09d2c1")]
    assert order == sorted(order)


def test_a_card_with_nothing_but_a_headline_has_no_empty_boxes() -> None:
    bare = example_receipt(
        document_number="", version="", facts={}, reasons=(), removed=(), eligible=(), valid_until=0
    )

    html = build_card(bare).to_html()

    assert "<ul>\n\n" not in html
    assert '<div class="more">' not in html
    assert outline(html).tags.count("h2") == 0


@given(st.text(alphabet=st.sampled_from("<>&\"'`={}%/ab\n\x00\x1b\u202e;!-[]"), max_size=60))
def test_any_title_comes_out_as_text_and_as_nothing_else(title: str) -> None:
    plain = outline(full_page(content={"title": "plain"}))

    odd = outline(full_page(content={"title": title or "plain"}))

    expected = plain.tags if inert(title) or not title else None  # invisible titles are no line at all
    assert expected is None or odd.tags == expected
    assert {name for name, _ in odd.attributes} <= {name for name, _ in plain.attributes}
    assert set(odd.tags) <= set(plain.tags)


def luminance(colour: str) -> float:
    full = colour if len(colour) == 6 else "".join(2 * c for c in colour)
    parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1, 2])
def test_text_has_enough_contrast_in_light_dark_and_print(scheme: int) -> None:
    colours = dict(
        re.findall(r"--([\w-]+):#([0-9a-f]{3,6})", re.findall(r"\.nba-card\{(--paper[^}]*)", CSS)[scheme])
    )

    for behind in ("paper", "soft", "watch-soft"):
        for ink in ("ink", "quiet", "accent", "for", "watch"):
            lights = sorted((luminance(colours[behind]), luminance(colours[ink])))
            assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, (behind, ink)


def test_the_style_touches_nothing_outside_the_card() -> None:
    without_bodies = re.sub(r"\{[^{}]*\}", "\n", re.sub(r"@media[^{]*\{", "", CSS)).replace("}", "")
    selectors = [part for line in without_bodies.splitlines() for part in line.split(",") if part.strip()]

    assert len(selectors) > 40
    assert all(selector.strip().startswith((".nba-", "#nba-")) for selector in selectors)


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("trick", [
    "<img src=x onerror=document.title='owned'>",
    "</title><script>document.title='owned'</script>",
    "</style><svg onload=document.title='owned'>",
    "\" autofocus onfocus=document.title='owned' x=\"",
])  # fmt: skip
def test_a_browser_runs_nothing_that_a_table_holds(tmp_path: Path, trick: str) -> None:
    path = tmp_path / "card.html"
    path.write_text(
        full_page(content={"title": trick}, hcp={"name": trick, "specialty": trick}), encoding="utf-8"
    )
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=2000",
        f"--user-data-dir={tmp_path / 'u'}",
    ]

    seen = subprocess.run(
        [chromium(), *flags, "--dump-dom", path.as_uri()], capture_output=True, timeout=120, check=True
    )

    dom = seen.stdout.decode()
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert title is not None
    assert title[1].startswith("Send approved email: ")
    assert "<img" not in dom
    assert "<script" not in dom
