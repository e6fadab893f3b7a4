"""What a problem is given is checked before anything is trained, and means one thing only."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

ROWS = np.arange(4, dtype=np.float32)
LOSS = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})


def counted(params, count, batch, key):
    """A stateful loss: the state counts the steps."""
    return LOSS(params, batch, key)[0], (count + 1, {})


STATELESS = pj.train_step(LOSS, optax.sgd(0.1))
STATEFUL = pj.train_step(counted, optax.sgd(0.1), stateful=True)
SILENT = STATEFUL._replace(stateful=None)
"""A trainer made by hand does not say whether it is stateful."""


def swept(trainer=STATELESS, **settings):
    arguments = {"init": jnp.float32, "data": ROWS, "eval_data": ROWS[:2]} | settings
    arguments["init"] = lambda key: jnp.float32(1.0)
    return pj.sweep(
        lambda hp: trainer._replace(
            init=lambda *args: trainer.init(*args)._replace(step=jnp.int32(0) + 0 * hp["none"])
        ),
        {"none": pj.choice([0, 1])}, pj.Problem(**arguments),
        trials=1, seeds=2, steps=3, key=jax.random.key(0),
    )  # fmt: skip


def state_and_rows(params, count, data):
    return {"count": count, "rows": data.shape[0], "loss": params}


class TestStatefulness:
    def test_it_is_the_trainers_word(self):
        found = swept(STATEFUL, model_state=jnp.int32(0), evaluate=state_and_rows)
        assert found.records[0].metrics["count"] == 3
        assert found.records[0].metrics["rows"] == 2
        assert found.model_state_of(0, 1) == 3

    @pytest.mark.parametrize(("trainer", "said"), [(STATEFUL, False), (STATELESS, True)])
    def test_a_word_against_the_trainers_is_refused(self, trainer, said):
        text = f"stateful={said}, but the trainer was made with stateful={not said}"
        with pytest.raises(ValueError, match=text):
            swept(trainer, stateful=said, evaluate=state_and_rows)

    def test_a_trainer_that_does_not_say_needs_a_word_where_there_is_a_state(self):
        with pytest.raises(ValueError, match="does not say whether it is stateful"):
            swept(SILENT, model_state=jnp.int32(0), evaluate=state_and_rows)
        found = swept(SILENT, model_state=jnp.int32(0), evaluate=state_and_rows, stateful=True)
        assert found.records[0].metrics["count"] == 3

    def test_a_state_that_nothing_takes_is_refused(self):
        with pytest.raises(ValueError, match="model_state: this trainer takes none"):
            swept(STATELESS, model_state=jnp.int32(0))

    def test_an_evaluation_without_the_state_is_refused_by_its_arguments(self):
        with pytest.raises(TypeError, match=r"evaluate: of a stateful trainer.*of 2 arguments"):
            swept(STATEFUL, model_state=jnp.int32(0), evaluate=lambda p, d: {"loss": p})
        with pytest.raises(TypeError, match=r"expected a function \(params, eval_data\).*of 4"):
            swept(STATELESS, evaluate=lambda p, a, b, c: {"loss": p})

    def test_a_word_is_a_truth_value(self):
        with pytest.raises(
            TypeError, match="stateful: expected True, False or None, got str 'yes'"
        ):
            swept(stateful="yes")


def test_a_model_state_of_the_parameters_is_each_seeds_own():
    """A teacher that begins as a copy of its student, and stays."""

    def distilled(params, teacher, batch, key):
        return jnp.mean((params - batch) ** 2), (teacher, {})

    found = pj.sweep(
        lambda hp: pj.train_step(distilled, optax.sgd(hp["rate"]), stateful=True),
        {"rate": pj.uniform(0.1, 0.2)},
        pj.Problem(
            init=jax.random.normal, data=ROWS, model_state=lambda params: {"teacher": 2 * params},
            evaluate=lambda params, state, data: {"teacher": state["teacher"]}, eval_data=ROWS,
        ),
        trials=2, seeds=3, steps=4, key=jax.random.key(0),
    )  # fmt: skip
    starts = pj.populations.prepare_starts(
        jax.random.normal, jax.random.split(jax.random.key(0))[1], range(3)
    )
    for record in found.records:
        expected = 2 * starts.params[record.seed]
        assert record.metrics["teacher"] == pytest.approx(float(expected), rel=1e-6)
        assert found.model_state_of(record.trial, record.seed)["teacher"] == expected
    assert found.replay(1, 2).model_state["teacher"] == 2 * starts.params[2]


def test_folds_begin_with_a_model_state_of_their_parameters():
    still = lambda params, state, batch, key: (jnp.mean((params - batch) ** 2), (state, {}))
    made = pj.cross_validate(
        pj.train_step(still, optax.sgd(0.1), stateful=True),
        pj.Problem(
            init=jax.random.normal, data=ROWS, model_state=lambda params: params,
            evaluate=lambda params, state, data: {"start": state},
        ),
        steps=3, folds=2, key=jax.random.key(0),
    )  # fmt: skip
    starts = pj.populations.prepare_starts(
        jax.random.normal, jax.random.split(jax.random.key(0), 3)[1], range(2)
    )
    np.testing.assert_allclose(made.metrics["start"], starts.params, rtol=1e-6)


class TestMetrics:
    def test_a_pair_is_a_loss_and_its_metrics(self):
        found = swept(evaluate=lambda p, d: (p, {"twice": 2 * p}))
        assert found.records[0].metrics["twice"] == 2 * found.records[0].metrics["loss"]

    @pytest.mark.parametrize(
        ("value", "got"),
        [
            (jnp.ones(3), r"float32\[3\]"), (None, "None"), ({"a": 1.0}, "dict"), ("x", "'x'"),
            ((1.0, 2.0), "tuple"), (1j, "complex"), (jax.random.key(0), "key"),
        ],
    )  # fmt: skip
    def test_what_is_no_real_number_is_refused_by_its_name(self, value, got):
        with pytest.raises(ValueError, match=f"metric 'mine': expected one number.*{got}"):
            swept(evaluate=lambda p, d: {"loss": p, "mine": value})


class TestEvalData:
    @pytest.mark.parametrize(
        ("bad", "text"),
        [
            ({"x": ROWS * np.nan}, "eval_data: leaf x"),
            ({"x": np.full(3, 2**32 + 5)}, "eval_data: leaf x"),
            ({"x": ROWS[:0]}, "eval_data: leaf x is empty"),
            ({"x": ROWS, "y": ROWS[:2]}, "eval_data: expected leaves of one length"),
        ],
    )
    def test_they_are_checked_as_data_are(self, bad, text):
        with pytest.raises(ValueError, match=text):
            swept(eval_data=bad, evaluate=lambda p, d: {"loss": p})

    def test_an_evaluation_that_reads_data_needs_some(self):
        evaluate = lambda p, d: {"loss": jnp.mean((p - d["x"]) ** 2)}
        with pytest.raises(ValueError, match="eval_data: expected the data that `evaluate` mea"):
            swept(eval_data=None, evaluate=evaluate)
        found = swept(eval_data=None, evaluate=lambda p, d: {"loss": p})
        assert np.isfinite(found.records[0].metrics["loss"])
