"""Models of response: one a pair, held by what all pairs share; and the baselines to beat."""

from nba.models.base import HierarchicalLogistic
from nba.models.basis import Basis
from nba.models.calibration import AffineCalibration
from nba.models.correction import Correction
from nba.models.drift import Drift
from nba.models.naive_bayes import NaiveBayesPerPair
from nba.models.pairs import PairPropensity
from nba.models.plain_trees import LightGBMPerPair
from nba.models.recency import RecencyFrequency
from nba.models.segment import SegmentBaseline
from nba.models.selection import Selection
from nba.models.strengths import Strengths
from nba.models.uplift import Uplift
from nba.models.weights import Weights

__all__ = [
    "AffineCalibration",
    "Basis",
    "Correction",
    "Drift",
    "HierarchicalLogistic",
    "LightGBMPerPair",
    "NaiveBayesPerPair",
    "PairPropensity",
    "RecencyFrequency",
    "SegmentBaseline",
    "Selection",
    "Strengths",
    "Uplift",
    "Weights",
]
