"""The best trial trained once more: on all rows, from the start of a seed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import sweep_line

import paramjax as pj


def test_on_the_same_rows_it_is_the_training_again(line, line_loss):
    """Every step reads all rows, so that nothing depends on their order."""
    found = sweep_line(line, line_loss)
    for seed in (0, 1):
        run = found.refit(seed=seed)
        best = found.params_of(found.best().trial, seed)
        for name in ("w", "b"):
            np.testing.assert_allclose(run.params[name], best[name], rtol=1e-6)
    assert len(run.history["loss"]) == 6
    worst = found.refit(trial=0, steps=2)
    assert worst.history["loss"].shape == (2,)
    assert worst.history["loss"][1] == pytest.approx(found.history["loss"][0, 1], rel=1e-6)


def test_on_other_rows_it_learns_those(line, line_loss):
    found = sweep_line(line, line_loss, trials=[{"rate": 0.5}], batch_size=10)
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    validation = pj.Validation(lambda p, batch: line_loss(p, batch, None), line, every=50)
    run = found.refit({"x": x, "y": 5 * x - 1}, steps=300, validation=validation)
    np.testing.assert_allclose(run.params["w"], 5, rtol=1e-4)
    np.testing.assert_allclose(run.params["b"], -1, rtol=1e-4)
    assert len(run.validation["loss"]) == 6


def test_a_stateful_model_comes_back_with_its_state():
    """The state counts the steps."""

    def loss_fn(params, count, batch, key):
        return jnp.mean((params - batch) ** 2), (count + 1, {})

    found = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"]), stateful=True),
        {"rate": pj.uniform(0.0, 1.0)},
        pj.Problem(
            init=jax.random.normal, data=jnp.arange(4.0), model_state=jnp.int32(0), stateful=True,
        ),
        trials=[{"rate": 0.5}], seeds=1, steps=3, key=jax.random.key(0),
    )  # fmt: skip
    run = found.refit(steps=7)
    assert int(run.model_state) == 7
    assert float(run.params) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trial": 4}, "trial 4, seed 0: expected a trial from 0 to 3"),
        ({"seed": 2}, "seed 2: .* a seed from 0 to 1"),
        ({"steps": 0}, "steps: expected a whole number from 1"),
        ({"data": {"x": np.zeros((0, 1))}}, "data: "),
    ],
)
def test_bad_arguments_are_refused(line, line_loss, settings, message):
    found = sweep_line(line, line_loss)
    with pytest.raises(ValueError, match=message):
        found.refit(**settings)
