"""A sweep goes through pickle, cloudpickle and copy; what cannot says so when it is used."""

import copy
import pickle
import subprocess
import sys

import chex
import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import optax
import options
import pytest
from problems import sweep_line

import paramjax as pj


@pytest.fixture(scope="module", params=["memory", pytest.param("store", marks=pytest.mark.slow)])
def made(request, line, line_loss, tmp_path_factory):
    store = None if request.param == "memory" else tmp_path_factory.mktemp("made") / "store"
    return sweep_line(line, line_loss, store=store)


COPIES = {
    "pickle": lambda sweep: pickle.loads(pickle.dumps(sweep)),
    "cloudpickle": lambda sweep: pickle.loads(cloudpickle.dumps(sweep)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def check_equal(one, other):
    assert one.records == other.records
    for name in ("params", "history", "curve"):
        chex.assert_trees_all_equal(getattr(one, name), getattr(other, name))
    chex.assert_trees_all_equal(one.params_of(2, 1), other.params_of(2, 1))
    assert one.best() == other.best()
    assert one.budget == other.budget
    assert one.plan.describe() == other.plan.describe()
    assert repr(one) == repr(other)


@pytest.mark.parametrize("way", COPIES)
def test_results_travel(made, way):
    there = COPIES[way](made)
    check_equal(there, made)
    if "copy" in way:
        assert there.replay(0, 1).identical is made.replay(0, 1).identical
        assert (there.records is made.records) is (way == "copy")
        return
    for call in (lambda: there.replay(0, 0), lambda: there.refit()):
        with pytest.raises(RuntimeError, match="came out of pickle, which leaves make_trainer"):
            call()
    with pytest.raises(ValueError, match="expected a trial from 0 to 3"):
        there.replay(9, 0)
    check_equal(COPIES[way](there), made)


def test_another_process_reads_it(made, tmp_path):
    (tmp_path / "sweep.pkl").write_bytes(pickle.dumps(made))
    code = (
        "import pickle, sys; made = pickle.load(open(sys.argv[1], 'rb')); "
        "print(made.best().value, float(made.history['loss'].sum()), made.to_frame().shape)"
    )
    command = [sys.executable, "-c", code, tmp_path / "sweep.pkl"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = made.best().value, float(made.history["loss"].sum()), made.to_frame().shape
    assert printed.split("\n")[0] == " ".join(map(str, expected))


@pytest.mark.parametrize("kind", options.OPTIONS)
def test_options_travel_as_far_as_pickle_takes_them(kind):
    made, _ = options.swept(None, kind)
    there = pickle.loads(pickle.dumps(made))
    names = there.to_frame()["activation"].astype(str).tolist()
    assert names == made.to_frame()["activation"].astype(str).tolist()
    for record, original in zip(there.records, made.records, strict=True):
        mine, own = record.hyperparameters["activation"], original.hyperparameters["activation"]
        if kind == "lambdas":
            with pytest.raises(RuntimeError, match="<lambda>: this option .* was left out"):
                mine(0.0)
        elif kind != "pairs of functions":  # which pickle takes for neither
            assert mine == own or kind in ("objects", "partials")
        if kind not in ("numbers", "mixed"):
            assert any(mine is option for option in there.space["activation"].options)
    copied = copy.deepcopy(made).records[0].hyperparameters["activation"]
    assert copied is made.records[0].hyperparameters["activation"]


@pytest.mark.slow
def test_folds_travel():
    data = np.arange(8, dtype=np.float32)
    made = pj.sweep(
        lambda hp: pj.train_step(lambda p, b, k: (jnp.mean((p - b) ** 2), {}), optax.sgd(0.1)),
        {}, pj.Problem(init=jax.random.normal, data=data, evaluate=lambda p, b: {"loss": p}),
        trials=1, seeds=1, steps=2, folds=4, key=jax.random.key(0),
    )  # fmt: skip
    there = pickle.loads(pickle.dumps(made))
    assert there.records == made.records
    np.testing.assert_array_equal(there.folds, made.folds)
    assert there.params_of(0, 0, 3) == made.params_of(0, 0, 3)
