import functools

import pytest
from searching import create_study, run_search


@pytest.fixture
def new_study():
    return create_study


@pytest.fixture
def searched(line, line_loss):
    return functools.partial(run_search, line, line_loss)
