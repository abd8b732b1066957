"""How good probabilities and choices are, with honest intervals."""

from nba.evaluation import plots
from nba.evaluation.intervals import (
    Interval,
    clustered_auc,
    clustered_gains,
    clustered_mean,
    clustered_rate,
)
from nba.evaluation.metrics import auc, calibration_line, log_loss, log_losses, reliability

__all__ = [
    "Interval",
    "auc",
    "calibration_line",
    "clustered_auc",
    "clustered_gains",
    "clustered_mean",
    "clustered_rate",
    "log_loss",
    "log_losses",
    "plots",
    "reliability",
]
