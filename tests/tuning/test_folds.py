"""Folds of a sweep are one population: the numbers of a cross-validation, trial by trial."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout
from paramjax.step._state import WholeDataTrainer
from paramjax.tuning import StoreMismatchError

KEY = jax.random.key(4)
ROWS = 22
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3)).astype(np.float32)
DATA = {"x": X, "y": (X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=ROWS)).astype(np.float32)}


def loss_fn(params, batch, key):
    return jnp.mean((batch["x"] @ params["w"] - batch["y"]) ** 2), {}


def make_trainer(hyperparameters):
    return pj.train_step(loss_fn, optax.sgd(hyperparameters["rate"]))


def init(key):
    return {"w": jax.random.normal(key, (3,))}


def evaluate(params, batch):
    return loss_fn(params, batch, None)


def problem(**changes):
    return pj.Problem(
        **{
            "init": init, "data": DATA,
            "evaluate": evaluate,
        } | changes,
    )  # fmt: skip


def swept(folds, own=None, **settings):
    arguments = {
        "trials": [{"rate": 0.05}, {"rate": 0.1}], "seeds": 1, "steps": 12, "key": KEY,
        "execution": pj.Execution(layout=Layout(4)),
    } | settings  # fmt: skip
    space = {"rate": pj.uniform(0.0, 0.2)}
    return pj.sweep(make_trainer, space, own or problem(), folds=folds, **arguments)


@pytest.mark.parametrize("batch_size", [pytest.param(None, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize("folds", [pytest.param(11, marks=pytest.mark.slow), 4])
def test_a_trial_has_the_numbers_of_its_cross_validation(folds, batch_size):
    """Of 22 rows, 11 folds are of one size and 4 of two."""
    own = problem(batch_size=batch_size)
    found = swept(folds, own)
    for trial, rate in enumerate([0.05, 0.1]):
        alone = pj.cross_validate(
            make_trainer, own, steps=12, key=jax.random.split(KEY)[1], folds=folds,
            hyperparameters={"rate": np.float32(rate)},
        )  # fmt: skip
        np.testing.assert_array_equal(found.folds, alone.folds)
        records = [record for record in found.records if record.trial == trial]
        assert [record.fold for record in records] == list(range(folds))
        losses = [record.metrics["loss"] for record in records]
        np.testing.assert_allclose(losses, alone.metrics["loss"], rtol=1e-5)
        for fold in range(folds):
            weights = found.params_of(trial, 0, fold)["w"]
            np.testing.assert_allclose(weights, alone.params["w"][fold], rtol=1e-5)
            if fold == trial or (folds, batch_size) != (4, 4):  # each is compiled anew
                assert found.replay(trial, 0, fold).params_distance < 1e-5


def ridgeless(rows):
    """Least squares on some rows, by numpy."""
    return np.linalg.lstsq(DATA["x"][rows], DATA["y"][rows], rcond=None)[0]


@pytest.mark.slow
def test_long_training_is_least_squares_without_the_fold():
    """Each fold's parameters and loss from the normal equations; the best by their mean."""
    found = swept(4, trials=[{"rate": 0.001}, {"rate": 0.1}], steps=300, seeds=2)
    for record in found.records[8:]:
        held_out = found.folds == record.fold
        weights = ridgeless(~held_out)
        residual = DATA["x"][held_out] @ weights - DATA["y"][held_out]
        np.testing.assert_allclose(record.metrics["loss"], np.mean(residual**2), rtol=1e-3)
    means = {
        trial: np.mean([r.metrics["loss"] for r in found.records if r.trial == trial])
        for trial in (0, 1)
    }
    assert found.best().trial == min(means, key=means.get) == 1
    assert found.best().value == pytest.approx(means[1])
    assert len(found.best().values) == 8
    run = found.refit()
    np.testing.assert_allclose(run.params["w"], ridgeless(np.full(ROWS, True)), rtol=1e-3)


def test_the_table_names_the_fold_and_the_seed():
    frame = swept(4, seeds=2).to_frame()
    assert frame[["trial", "seed", "fold"]].to_numpy().tolist() == [
        [t, s, f] for t in range(2) for s in range(2) for f in range(4)
    ]
    assert "fold" not in swept(None, problem(eval_data=DATA)).to_frame()


def test_labels_are_spread_and_own_folds_are_taken():
    labels = np.arange(ROWS) % 2
    spread = swept(11, stratify=labels).folds
    assert all(sorted(labels[spread == fold]) == [0, 1] for fold in range(11))
    own = np.repeat([0, 1, 2], [4, 4, 14])
    found = swept(own)
    np.testing.assert_array_equal(found.folds, own)
    assert [record.fold for record in found.records] == [0, 1, 2] * 2


@pytest.mark.slow
def test_folds_stop_early_and_go_on_from_a_store(tmp_path):
    halving = functools.partial(
        swept, 4, stopping=pj.tuning.successive_halving(2, least_steps=6), store=tmp_path,
        trials=[{"rate": rate} for rate in (0.001, 0.01, 0.05, 0.1)],
    )  # fmt: skip
    first = halving()
    assert {r.trial for r in first.records if r.status == pj.Status.STOPPED} == {0, 1}
    assert first.records == halving().records
    assert first.params_of(3, 0, 2)["w"].tolist() == halving().params_of(3, 0, 2)["w"].tolist()
    with pytest.raises(StoreMismatchError, match="folds was"):
        swept(np.arange(ROWS) % 4, store=tmp_path, stopping=None)


def test_each_fold_has_a_model_state_of_its_own():
    """It sums up the rows that were read: 3 steps of all rows that are not held out."""

    def counting(params, count, batch, key):
        return jnp.sum(params["w"] ** 2), (count + len(batch["x"]), {})

    own = problem(
        model_state=jnp.int32(0), evaluate=lambda params, count, batch: {"loss": 1.0 * count}
    )
    found = pj.sweep(
        lambda hp: pj.train_step(counting, optax.sgd(hp["rate"]), stateful=True),
        {"rate": pj.uniform(0.0, 0.2)}, own, trials=2, seeds=1, steps=3, key=KEY, folds=4,
    )  # fmt: skip
    for fold, size in enumerate(np.bincount(found.folds)):
        assert int(found.model_state_of(1, 0, fold)) == 3 * (ROWS - size)
        assert found.records[fold].metrics["loss"] == 3 * (ROWS - size)


def plateaus(hyperparameters):
    tx = optax.chain(optax.sgd(hyperparameters["rate"]), pj.optim.reduce_on_plateau())
    return pj.train_step(loss_fn, tx)


def test_held_out_rows_steer_no_plateau():
    arguments = {"steps": 3, "key": KEY, "folds": 4}
    space = {"rate": pj.uniform(0.0, 0.2)}
    with pytest.raises(ValueError, match=r"reduce_on_plateau\(\) .* may only judge it"):
        pj.sweep(plateaus, space, problem(), trials=2, seeds=1, **arguments)
    with pytest.raises(ValueError, match=r"reduce_on_plateau\(\) .* may only judge it"):
        pj.cross_validate(plateaus, problem(), hyperparameters={"rate": 0.1}, **arguments)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: swept(1), ValueError, "folds: expected a whole number from 2"),
        (lambda: swept(23), ValueError, "folds: expected at most one for each of the 22 rows"),
        (lambda: swept(np.zeros(22, int)), ValueError, "folds: expected numbers from 0 without"),
        (lambda: swept(np.ones(3, int)), ValueError, "the fold of each of the 22 rows"),
        (lambda: swept(4, problem(eval_data=DATA)), ValueError, "eval_data: a cross-validation"),
        (lambda: swept(4, problem(evaluate=None)), TypeError, "evaluate: expected a function"),
        (lambda: swept(4, problem(batch_size=17)), ValueError, "batch_size: .*16"),
        (lambda: swept(None, stratify=np.zeros(22, int)), ValueError, "stratify: expected folds"),
        (lambda: swept(np.arange(22) % 2, stratify=np.zeros(22, int)), ValueError, "stratify: "),
        (lambda: swept(4).params_of(0, 0), ValueError, "seed 0: .*and a fold from 0 to 3"),
        (lambda: swept(4).params_of(0, 0, 4), ValueError, "fold 4: .*and a fold from 0 to 3"),
    ],
)
def test_bad_folds_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_trainer_that_draws_its_own_rows_is_sent_to_cross_validate():
    loss = lambda w, batch, key: (jnp.mean((w - batch) ** 2), {})
    made = lambda hp: WholeDataTrainer(*pj.train_step(loss, optax.sgd(hp["rate"])))
    problem = pj.Problem(
        init=lambda key: jnp.zeros(()), data=jnp.arange(6.0),
        evaluate=lambda params, batch: loss(params, batch, None),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"folds: this trainer draws.*take pj\.cross_validate"):
        pj.sweep(
            made, {"rate": pj.uniform(0.1, 0.2)}, problem, trials=2, seeds=1, steps=2, folds=3,
            key=jax.random.key(0),
        )  # fmt: skip
