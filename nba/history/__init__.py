"""What an engagement history says, strictly as of a moment."""

from nba.history.blocks import Measure, Op
from nba.history.histories import Histories, places
from nba.history.kernel import sweep, warm_up
from nba.history.shrink import BetaPrior, beta_prior
from nba.history.touches import is_success, touch_answered

__all__ = [
    "BetaPrior",
    "Histories",
    "Measure",
    "Op",
    "beta_prior",
    "is_success",
    "places",
    "sweep",
    "touch_answered",
    "warm_up",
]
