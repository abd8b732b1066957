"""A small fitted territory that tests of the hall share."""

import pytest
from hall import UNTIL, make_model

from nba import simulate


@pytest.fixture(scope="session")
def territory():
    return simulate.territory(seed=11, hcps=120, days=240, contents=20)


@pytest.fixture(scope="session")
def model(territory):
    return make_model().fit(territory.engagement, until=UNTIL)


@pytest.fixture(scope="session")
def plan(model, territory):
    return model.recommend(territory.engagement, at=UNTIL, seed=7)
