import json

import optax
import pytest

import paramjax as pj
from paramjax.bench._rows import describe_space
from paramjax.optim import Optimizer

INTEGER = {"kind": "Integer", "logarithmic": True, "static": False, "low": 1, "high": 8}


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (pj.uniform(0, 2), {"kind": "Uniform", "logarithmic": False, "static": False,
                            "low": 0.0, "high": 2.0}),
        (pj.log_uniform(1, 2), {"kind": "LogUniform", "logarithmic": True, "static": False,
                                "low": 1.0, "high": 2.0}),
        (pj.choice([None, (1, 2)]), {"kind": "Choice", "logarithmic": False, "static": True,
                                     "options": [None, [1, 2]]}),
        (pj.integer(1, 8, log=True), INTEGER),
        (pj.conditional("chain", ["a", "b"], pj.integer(1, 8, log=True)),
         {"kind": "Conditional", "logarithmic": True, "static": False, "parent": "chain",
          "values": ["a", "b"], "distribution": INTEGER}),
    ],
)  # fmt: skip
def test_a_space_is_described_as_json(drawn, expected):
    described = describe_space(Optimizer("own", optax.sgd, {"a": drawn}, "mine"))
    assert json.dumps(described) == json.dumps({"a": expected})
