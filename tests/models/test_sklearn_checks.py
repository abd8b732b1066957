"""scikit-learn's own checks, on the pair model asked for one pair."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nba.contracts import Action, Design, Feature
from nba.errors import NBAWarning
from nba.models import HierarchicalLogistic, NaiveBayesPerPair, PairPropensity

PAIR = Action("email", "m")


class OnePair(ClassifierMixin, BaseEstimator):
    """A pair's model as scikit-learn knows models: a matrix in, classes out.

    Our models read a ``Design`` (who, when, which pair), which is no matrix; the checks that a model of one
    pair can meet are those of a classifier on that pair's columns.
    """

    def __init__(self, model="pairs"):
        self.model = model

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=float)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {type_of_target(y)}."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NBAWarning)
            if self.model == "bayes":
                self.model_ = NaiveBayesPerPair().fit(asked(X), codes.astype(float))
                return self
            weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
            keep = np.ones(len(X), dtype=bool) if weight is None else weight > 0
            self.model_ = PairPropensity(calibration_share=0.0, correction=None, n_jobs=1).fit(
                asked(X[keep]), codes[keep].astype(float), weight=None if weight is None else weight[keep]
            )
        return self

    def decision_function(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NBAWarning)
            return self.model_.score(asked(X))[0]

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-self.decision_function(X)))
        return (
            np.stack([1 - p, p], axis=1)[:, : len(self.classes_)]
            if len(self.classes_) > 1
            else p[:, None] * 0 + 1
        )

    def predict(self, X):
        margin = self.decision_function(X)
        return self.classes_[np.minimum((margin > 0).astype(int), len(self.classes_) - 1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


class OneBayes(OnePair):
    """The plain rival, which takes no weights."""

    def __init__(self, model="bayes"):
        super().__init__(model=model)

    def fit(self, X, y):
        return super().fit(X, y)


def asked(X):
    return Design(
        shared=np.zeros((len(X), 0)), own=X, row=np.arange(len(X)), pair=np.zeros(len(X), dtype=int),
        actions=(PAIR,), groups=(("channel=email",),), shared_features=(),
        own_features=tuple(Feature(f"x{j}", f"x{j}") for j in range(X.shape[1])),
    )  # fmt: skip


@pytest.mark.slow  # read-only arrays have the loops compiled once more
@parametrize_with_checks([OnePair(), OneBayes()])
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's checks try what warns
        check(estimator)


def test_a_base_alone_is_no_estimator_in_that_sense():
    """It is fitted by a class method from sums over rows, so there is nothing for the checks to construct."""
    with pytest.raises(TypeError):
        HierarchicalLogistic()
