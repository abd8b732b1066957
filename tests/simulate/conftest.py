"""Two territories that the tests of the simulator share."""

import pytest

from nba.simulate import Territory, territory


@pytest.fixture(scope="session")
def small() -> Territory:
    return territory(seed=11, hcps=60, days=120)


@pytest.fixture(scope="session")
def year() -> Territory:
    return territory(seed=3, hcps=700)
