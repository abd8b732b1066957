"""What a card's plain values look like, as a JSON Schema."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def card_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of :meth:`RepCard.to_dict`.

    Examples
    --------
    >>> card_schema()["required"]
    ['audience', 'decision_id', 'hcp_id', 'headline', 'book']
    """
    text = files("nba.explain").joinpath("card.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


__all__ = ["card_schema"]
