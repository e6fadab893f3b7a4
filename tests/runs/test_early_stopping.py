"""Validation decides: when a run ends, what it returns, and which rate it goes on with."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

KEY = jax.random.key(0)
DATA = np.zeros(1, np.float32)
TRAINER = pj.train_step(lambda w, batch, key: (-w + batch.sum(), {}), optax.sgd(1.0))


def bowl(w, batch):
    """Lowest at 6, which a run that begins at 0 passes at its sixth step."""
    return {"loss": (w - 6.0) ** 2 + batch.sum(), "level": w / 100}


def train(steps=100, trainer=TRAINER, **options):
    validation = pj.Validation(bowl, DATA, **{"every": 2, **options})
    return pj.fit(trainer, jnp.float32(0), DATA, key=KEY, steps=steps, validation=validation)


def test_it_ends_after_the_patience_and_goes_back_to_the_best():
    run = train(early_stopping=pj.EarlyStopping(patience=3))
    assert run.status == "stopped"
    assert run.validation["step"].tolist() == [2, 4, 6, 8, 10, 12]
    assert run.validation["loss"].tolist() == [16, 4, 0, 4, 16, 36]
    assert float(run.params) == 6.0
    assert float(run.state.params) == 12.0
    assert len(run.history["loss"]) == 12


def test_the_last_parameters_where_they_are_asked_for():
    run = train(early_stopping=pj.EarlyStopping(patience=1, restore_best=False))
    assert float(run.params) == float(run.state.params) == 8.0


def test_what_is_no_early_stopping_and_no_validation_is_refused():
    with pytest.raises(TypeError, match="validation: early_stopping: expected .* got int 3"):
        train(early_stopping=3)
    with pytest.raises(TypeError, match=r"validation: expected a pj\.Validation or None, got"):
        pj.fit(
            pj.train_step(lambda w, b, k: (w * b.mean(), {}), optax.sgd(0.1)), jnp.float32(0),
            np.ones(4, np.float32), key=jax.random.key(0), steps=1, validation=lambda w, b: {},
        )  # fmt: skip


def test_an_improvement_must_be_large_enough():
    run = train(early_stopping=pj.EarlyStopping(patience=1, min_delta=12.0))
    assert run.validation["loss"].tolist() == [16, 4]


def test_a_maximum_is_sought_where_it_is_asked_for():
    stopping = pj.EarlyStopping(patience=2)
    run = train(10, metric="level", maximise=True, early_stopping=stopping)
    assert run.status == "finished"
    run = train(10, metric="level", early_stopping=stopping)
    assert run.validation["step"].tolist() == [2, 4, 6]
    assert float(run.params) == 2.0


def test_the_end_is_validated_too():
    run = train(5, every=4)
    assert run.validation["step"].tolist() == [4, 5]
    assert train(4, every=4).validation["step"].tolist() == [4]
    assert train(3, every=4, early_stopping=pj.EarlyStopping()).params == 3.0


def test_a_plateau_lowers_the_rate():
    """Scores 16, 4, 0, 4 at 2, 4, 6, 8; then half the rate: 9 at 9, 10 at 11, ..."""
    tx = optax.chain(optax.sgd(1.0), pj.optim.reduce_on_plateau(factor=0.5, patience=1))
    trainer = pj.train_step(lambda w, batch, key: (-w + batch.sum(), {}), tx)
    run = train(12, trainer)
    assert run.validation["loss"].tolist() == [16, 4, 0, 4, 9, 12.25]
    assert float(run.state.opt_state[1].scale) == 0.125


def test_a_plateau_without_validation_is_refused():
    tx = optax.chain(optax.sgd(1.0), pj.optim.reduce_on_plateau())
    trainer = pj.train_step(lambda w, batch, key: (-w, {}), tx)
    with pytest.raises(ValueError, match=r"reduce_on_plateau\(\) waits for validations, got None"):
        pj.fit(trainer, jnp.float32(0), DATA, key=KEY, steps=3)


def test_a_monitor_that_is_not_measured_is_refused_at_the_start():
    def never(w, batch, key):
        raise AssertionError("no step is traced")

    with pytest.raises(ValueError, match="validation: unknown metric 'accurcy'"):
        train(trainer=pj.train_step(never, optax.sgd(1.0)), metric="accurcy")


def test_scores_that_are_not_finite_are_no_improvement():
    validation = pj.Validation(
        lambda w, batch: {"loss": jnp.where(w > 3, jnp.nan, -w) + batch.sum()}, DATA, every=2,
        early_stopping=pj.EarlyStopping(patience=2),
    )  # fmt: skip
    run = pj.fit(TRAINER, jnp.float32(0), DATA, key=KEY, steps=99, validation=validation)
    assert run.validation["step"].tolist() == [2, 4, 6]
    assert float(run.params) == 2.0


def test_the_best_survives_a_stop(tmp_path):
    def go(folder, *cuts):
        validation = pj.Validation(bowl, DATA, 2, early_stopping=pj.EarlyStopping(patience=4))
        for steps in cuts:
            run = pj.fit(
                TRAINER, jnp.float32(0), DATA, key=KEY, steps=steps, validation=validation,
                checkpoints=pj.Checkpoints(folder, every=3),
            )  # fmt: skip
        return run

    whole, cut = go(tmp_path / "whole", 99), go(tmp_path / "cut", 5, 7, 9, 11, 99, 99)
    assert whole.status == cut.status == "stopped"
    assert float(whole.params) == float(cut.params) == 6.0
    assert whole.validation["step"].tolist() == cut.validation["step"].tolist()


def batch_statistics():
    """Its mean, kept in the state, moves on although the best validation is past."""

    def loss_fn(w, seen, batch, key):
        return -w + batch.sum(), (seen + 10.0, {})

    return pj.train_step(loss_fn, optax.sgd(1.0), stateful=True)


def judged(w, seen, batch):
    """Lowest at w = 6, after six steps, where 60 was seen."""
    return {"loss": (w - 6.0) ** 2 + (seen - 10.0 * w) ** 2 + batch.sum()}


def test_the_best_parameters_come_with_the_model_state_of_their_step(tmp_path):
    validation = pj.Validation(judged, DATA, 2, early_stopping=pj.EarlyStopping(patience=3))

    def go(steps, folder=None):
        return pj.fit(
            batch_statistics(), jnp.float32(0), DATA, key=KEY, steps=steps, validation=validation,
            model_state=jnp.float32(0),
            checkpoints=pj.Checkpoints(folder, every=5) if folder else None,
        )  # fmt: skip

    for run in (go(100), [go(n, tmp_path) for n in (7, 9, 100, 100)][-1]):
        assert run.status == "stopped"
        assert (float(run.params), float(run.model_state)) == (6.0, 60.0)
        assert float(run.state.model_state) == 120.0
        best = judged(run.params, run.model_state, DATA)["loss"]
        assert float(best) == run.validation["loss"].min() == 0.0


def test_without_the_best_restored_the_model_state_is_the_last_one():
    run = pj.fit(
        batch_statistics(), jnp.float32(0), DATA, key=KEY, steps=3, model_state=jnp.float32(0)
    )
    assert float(run.model_state) == float(run.state.model_state) == 30.0
    assert train(1).model_state == ()


def test_a_hook_that_chooses_the_parameters_chooses_their_model_state():
    """best_params keeps the parameters of the lowest training loss, which is that of the start."""

    def uphill(w, seen, batch, key):
        return w + 0.0 * batch.sum(), (seen + 10.0, {})

    trainer = pj.train_step(uphill, optax.sgd(-1.0), [pj.hooks.best_params()], stateful=True)
    run = pj.fit(trainer, jnp.float32(0), DATA, key=KEY, steps=4, model_state=jnp.float32(0))
    assert float(run.params) == 0.0
    assert float(run.model_state) < float(run.state.model_state) == 40.0
