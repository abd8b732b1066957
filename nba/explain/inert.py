"""Makes text from tables harmless before it is shown."""

from __future__ import annotations

import re
import unicodedata

_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c|$)"  # window titles, links
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_SPACES = {"Zs", "Zl", "Zp"}


def inert(text: object, *, longest: int = 160) -> str:
    """Give one line of visible characters, at most ``longest`` of them.

    Terminal sequences, control characters, bidi and zero-width marks, lone surrogates and private
    characters go; line breaks and runs of white space become one space; what is too long ends in "…".
    Markup stays as it is written: escaping belongs to the form (HTML) that would read it.

    Parameters
    ----------
    text : anything; None is ""
    longest : characters kept, 1 or more

    Examples
    --------
    >>> inert("HF\\x1b[31m efficacy\\nsummary")
    'HF efficacy summary'
    >>> inert("abcdef", longest=4)
    'abc…'
    """
    if text is None:
        return ""
    visible = str(text)
    if not visible.isprintable():  # nearly every text is: no control character, and no space but " "
        visible = "".join(_seen(char) for char in _TERMINAL.sub("", visible))
    return shorten(" ".join(visible.split()), longest=longest)


def shorten(line: str, *, longest: int) -> str:
    """Cut a line to ``longest`` characters, the last of them "…" where something was cut.

    Examples
    --------
    >>> shorten("mechanism of action", longest=10)
    'mechanism…'
    """
    if len(line) <= longest:
        return line
    return line[: max(longest - 1, 0)].rstrip() + "…"


def escape_markdown(text: str) -> str:
    """Text that markdown shows as it is written.

    Examples
    --------
    >>> escape_markdown("[x](http://y) <b>")
    '\\\\[x\\\\]\\\\(http://y\\\\) \\\\<b\\\\>'
    """
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#+-!|~&" else char for char in text)


def _seen(char: str) -> str:
    category = unicodedata.category(char)
    if category in _SPACES or char in "\t\n\r\v\f\x85":
        return " "
    return "" if category.startswith("C") else char
