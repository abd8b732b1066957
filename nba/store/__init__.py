"""The decision log: what was decided, and what came of it."""

from __future__ import annotations

from nba.store.ledger import Recheck
from nba.store.log import Committable, Log
from nba.store.responses import DISMISS_REASONS, RESPONSES, FeedbackDone

__all__ = ["DISMISS_REASONS", "RESPONSES", "Committable", "FeedbackDone", "Log", "Recheck"]
