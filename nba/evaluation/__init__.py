"""How good probabilities and choices are, with honest intervals."""

from nba.evaluation.intervals import Interval, clustered_mean
from nba.evaluation.metrics import auc, calibration_line, log_loss, log_losses, reliability

__all__ = [
    "Interval",
    "auc",
    "calibration_line",
    "clustered_mean",
    "log_loss",
    "log_losses",
    "reliability",
]
