"""What an engagement history says, strictly as of a moment."""

from nba.history.kernel import Histories, Measure, Op, sweep, warm_up
from nba.history.shrink import BetaPrior, beta_prior

__all__ = ["BetaPrior", "Histories", "Measure", "Op", "beta_prior", "sweep", "warm_up"]
