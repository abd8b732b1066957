"""The door to MLflow: save, log, load and serve a model.

A saved model holds the bundle that :meth:`NextBestAction.save` writes, and the content and channels tables as
a second bundle beside it: plain JSON and arrays, no pickle, no code, and no row about a person. So it loads
wherever nba is installed, and any copy decides the same. The content it holds is that of the day it was
saved: when content is approved or withdrawn, save a new version with ``data=`` today's tables.

As a pyfunc it takes one row per HCP and gives one decision a row. It keeps no log: decisions on their way do
not count against caps, and whoever sends them has to keep ``decision_id`` and ``selection_prob``.
"""

from nba.mlflow.catalogue import Catalogue, example_input
from nba.mlflow.flavor import FLAVOR, NEEDS, _load_pyfunc, load_catalogue, load_model, log_model, save_model
from nba.mlflow.served import DECISION_COLUMNS, REQUEST_COLUMNS, Served

__all__ = [
    "DECISION_COLUMNS",
    "FLAVOR",
    "NEEDS",
    "REQUEST_COLUMNS",
    "Catalogue",
    "Served",
    "_load_pyfunc",  # MLflow looks for it here
    "example_input",
    "load_catalogue",
    "load_model",
    "log_model",
    "save_model",
]
