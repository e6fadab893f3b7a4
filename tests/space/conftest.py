"""A tree of conditions that the tests know by hand."""

import pytest

import paramjax as pj


@pytest.fixture
def tree():
    """decay hangs on nesterov, that on kind, that on chain; children stand before parents."""
    return {
        "decay": pj.conditional("nesterov", True, pj.log_uniform(0.1, 1.0)),
        "nesterov": pj.conditional("kind", ["heavy", "light"], pj.choice([True, False])),
        "rate": pj.uniform(0.0, 1.0),
        "kind": pj.conditional("chain", 1, pj.choice(["none", "light", "heavy"])),
        "blocks": pj.conditional("chain", (2, 3), pj.integer(1, 9)),
        "chain": pj.integer(1, 4),
    }
