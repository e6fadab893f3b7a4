"""An option is the object that was written, and names a sweep alike in every process."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import options
import pytest

import paramjax as pj
from paramjax.space._options import decode, encode
from paramjax.tuning import StoreMismatchError


@pytest.mark.parametrize("kind", options.OPTIONS)
def test_trainers_and_records_get_the_very_object(kind):
    result, seen = options.swept(None, kind)
    written = options.OPTIONS[kind]
    for found in (seen, [record.hyperparameters["activation"] for record in result.records]):
        assert {id(option) for option in found} == {id(option) for option in written}
    assert len(set(result.to_frame()["activation"].astype(str))) == 2
    assert "0x" not in result.to_frame().to_csv()


@pytest.mark.slow
def test_the_next_process_goes_on_from_a_store_with_objects(tmp_path):
    """Addresses in memory and the order of sets differ between processes."""
    command = [sys.executable, options.__file__, str(tmp_path), ",".join(options.OPTIONS)]
    printed = [
        subprocess.run(
            [*command, *extra], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed, extra in (("1", []), ("2", ["again"]))
    ]  # fmt: skip
    assert printed[0] == printed[1]
    assert printed[0].count("\n") == len(options.OPTIONS)


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("functions", [jax.nn.relu, jnp.sin]),
        ("functions", [jnp.tanh, jax.nn.relu]),
        ("lambdas", [lambda x: jnp.sin(x), lambda x: jnp.tanh(x)]),
        ("objects", [options.Scaled(1.0), options.Scaled(3.0)]),
        ("numbers", [0.1, 0.4]),
    ],
)
def test_other_options_are_another_sweep(tmp_path, kind, others):
    options.swept(tmp_path, kind)
    with pytest.raises(StoreMismatchError, match="belongs to another sweep: "):
        options.swept(tmp_path, kind, others)


@pytest.mark.parametrize("kind", options.OPTIONS)
def test_options_travel_through_json_as_their_index(kind):
    space = {"option": pj.choice(options.OPTIONS[kind], static=True), "rate": pj.uniform(0, 1)}
    for option in options.OPTIONS[kind]:
        text = json.dumps(encode(space, {"option": option, "rate": 0.5}))
        back = decode(space, json.loads(text))
        assert back["option"] is option
        assert back["rate"] == 0.5


def test_a_number_that_decides_what_exists_is_an_option_too():
    space = {
        "drop": pj.choice([0.1, 0.3]),
        "depth": pj.conditional("drop", 0.3, pj.integer(1, 3)),
    }
    written = encode(space, {"drop": 0.3, "depth": 2})
    assert written == {"drop": 1, "depth": 2}
    assert decode(space, written) == {"drop": 0.3, "depth": 2}


class Own:
    """A distribution of the user's own, which draws objects."""

    static, logarithmic = True, False

    def quantile(self, u):
        return options.Scaled(u)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: decode(s, {"option": 2}), ValueError, "index of one of the 2 options"),
        (lambda s: decode(s, {"option": "max"}), ValueError, "got 'max'; they were written with"),
        (lambda s: decode(s, {"other": 0}), ValueError, "'other' is not in the space"),
        (lambda s: encode(s, {"option": sum}), ValueError, "never is"),
        (lambda s: encode({"own": Own()}, {"own": options.Scaled(1.0)}), TypeError,
         "'own' is .*, which no file can keep; draw it with"),
    ],
)  # fmt: skip
def test_what_is_no_option_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call({"option": pj.choice([min, max])})
