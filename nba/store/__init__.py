"""The decision log: what was decided, and what came of it."""

from __future__ import annotations

from nba.store.log import Log

__all__ = ["Log"]
