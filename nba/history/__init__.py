"""What an engagement history says, strictly as of a moment."""

from nba.history.blocks import Measure, Op
from nba.history.continuation import continuation_rates
from nba.history.histories import Histories, places
from nba.history.kernel import sweep, warm_up
from nba.history.reference import Reference
from nba.history.shrink import BetaPrior, GammaPrior, beta_prior, gamma_prior
from nba.history.touches import is_success, touch_answered
from nba.history.uptake import Uptake

__all__ = [
    "BetaPrior",
    "GammaPrior",
    "Histories",
    "Measure",
    "Op",
    "Reference",
    "Uptake",
    "beta_prior",
    "continuation_rates",
    "gamma_prior",
    "is_success",
    "places",
    "sweep",
    "touch_answered",
    "warm_up",
]
