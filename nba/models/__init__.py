"""Models of response: one a pair, held by what all pairs share; and the baseline to beat."""

from nba.models.base import HierarchicalLogistic
from nba.models.basis import Basis
from nba.models.calibration import AffineCalibration
from nba.models.pairs import PairPropensity
from nba.models.segment import SegmentBaseline
from nba.models.strengths import Strengths

__all__ = [
    "AffineCalibration",
    "Basis",
    "HierarchicalLogistic",
    "PairPropensity",
    "SegmentBaseline",
    "Strengths",
]
