import numpy as np
import pytest

import paramjax as pj
from paramjax.space import is_structural, structure, traced


def test_what_others_depend_on_is_structure(tree):
    assert {name for name in tree if is_structural(tree, name)} == {"chain", "kind", "nesterov"}
    static = {"depth": pj.integer(1, 4, static=True), "width": pj.integer(1, 4)}
    assert [is_structural(static, name) for name in static] == [True, False]


@pytest.mark.parametrize(
    ("hyperparameters", "fixed", "numbers"),
    [
        ({"chain": 1, "kind": "none", "rate": 0.5}, {"chain", "kind"}, {"rate"}),
        ({"chain": 1, "kind": "light", "nesterov": True, "decay": 0.5, "rate": 0.5},
         {"chain", "kind", "nesterov"}, {"rate", "decay"}),
        ({"chain": 2, "blocks": 3, "rate": 0.5}, {"chain"}, {"rate", "blocks"}),
        ({"chain": 4, "rate": 0.5}, {"chain"}, {"rate"}),
    ],
)  # fmt: skip
def test_what_exists_is_structure_or_traced(tree, hyperparameters, fixed, numbers):
    assert structure(tree, hyperparameters) == {name: hyperparameters[name] for name in fixed}
    arrays = traced(tree, [hyperparameters] * 3)
    assert arrays.keys() == numbers
    for name, values in arrays.items():
        assert values.dtype == (np.int32 if name == "blocks" else np.float32)
        assert values.tolist() == [hyperparameters[name]] * 3


def test_runs_keep_their_order():
    space = {"rate": pj.uniform(0.0, 1.0), "width": pj.choice([8, 16])}
    runs = [{"rate": 0.5, "width": 16}, {"rate": 0.25, "width": 8}]
    arrays = traced(space, runs)
    assert {name: values.tolist() for name, values in arrays.items()} == {
        "rate": [0.5, 0.25], "width": [16, 8],
    }  # fmt: skip
    assert structure(space, runs[0]) == {}
