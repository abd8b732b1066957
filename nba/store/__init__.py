"""The decision log: what was decided, and what came of it."""

from __future__ import annotations

from nba.store.ledger import Recheck
from nba.store.log import Committable, Log

__all__ = ["Committable", "Log", "Recheck"]
