"""How good probabilities and choices are, with honest intervals."""

from nba.evaluation import plots
from nba.evaluation.coverage import Heard, MessageCoverage, message_coverage
from nba.evaluation.intervals import (
    Interval,
    clustered_auc,
    clustered_gains,
    clustered_mean,
    clustered_rate,
)
from nba.evaluation.lift import Lift, expected_lift, expected_worth, logged_lift
from nba.evaluation.metrics import auc, calibration_line, log_loss, log_losses, reliability
from nba.evaluation.offpolicy import Logged, PolicyValue, chosen_probs, ips, snips
from nba.evaluation.qini import gains_curve, qini

__all__ = [
    "Heard",
    "Interval",
    "Lift",
    "Logged",
    "MessageCoverage",
    "PolicyValue",
    "auc",
    "calibration_line",
    "chosen_probs",
    "clustered_auc",
    "clustered_gains",
    "clustered_mean",
    "clustered_rate",
    "expected_lift",
    "expected_worth",
    "gains_curve",
    "ips",
    "log_loss",
    "log_losses",
    "logged_lift",
    "message_coverage",
    "plots",
    "qini",
    "reliability",
    "snips",
]
