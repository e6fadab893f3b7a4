"""Structural hyperparameters, stateful losses, refusals before training, replay, memory."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import sorted_arguments

import paramjax as pj
from paramjax.models import MLP
from paramjax.populations import Layout


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1, 1))}


def swept(line, make, space, **settings):
    arguments = {
        "init": draw, "data": line, "trials": 3, "seeds": 1, "steps": 5, "key": jax.random.key(0),
    } | settings  # fmt: skip
    return pj.sweep(make, space, **sorted_arguments(arguments))


def wide(line, **settings):
    """Models of two widths and batches of two sizes."""

    def make(hp):
        model = MLP((hp["width"], 1))

        def loss_fn(params, batch, key):
            error = jnp.mean((model.apply(params, batch["x"]) - batch["y"]) ** 2)
            return error, {"rows": jnp.float32(len(batch["x"]))}

        return pj.train_step(loss_fn, optax.sgd(hp["rate"]))

    space = {
        "width": pj.choice([2, 3], static=True),
        "batch": pj.choice([4, 5], static=True),
        "rate": pj.uniform(0.01, 0.1),
    }
    return swept(
        line, make, space,
        init=lambda key, hp: MLP((hp["width"], 1)).init(key, line["x"][:1]),
        batch_size=lambda hp: hp["batch"], seeds=2, trials=pj.tuning.grid(2), **settings,
    )  # fmt: skip


def test_parameters_and_batches_follow_the_structure(line):
    result = wide(line)
    assert len(result.records) == 16
    assert len(result.plan.choices) == 4
    for record in result.records:
        params = result.params_of(record.trial, record.seed)
        assert params["params"]["Dense_0"]["kernel"].shape == (1, record.hyperparameters["width"])
        assert record.metrics["rows"] == record.hyperparameters["batch"]
    with pytest.raises(ValueError, match=r"take params_of\(trial, seed\)"):
        _ = result.params
    assert result.history["loss"].shape == (16, 5)
    assert "width=2, batch=4: 4 runs" in result.plan.describe()


def test_structures_are_stored_and_read(line, tmp_path):
    first, again = (wide(line, store=tmp_path) for _ in range(2))
    assert first.records == again.records
    chex.assert_trees_all_equal(first.params_of(7, 1), again.params_of(7, 1))


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(1)(nn.BatchNorm(use_running_average=not train, momentum=0.5)(x))


def test_a_loss_with_state_carries_it_into_the_evaluation(line):
    """After steps on the whole data the running mean is the data's, up to 0.5**steps."""
    model = Normed()
    variables = model.init(jax.random.key(0), line["x"], train=True)

    def loss_fn(params, model_state, batch, key):
        out, new = model.apply(
            {"params": params, **model_state}, batch["x"] + 2, train=True, mutable=["batch_stats"]
        )
        return jnp.mean((out - batch["y"]) ** 2), (new, {})

    def evaluate(params, model_state, data):
        return {"mean": model_state["batch_stats"]["BatchNorm_0"]["mean"][0]}

    result = swept(
        line, lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"]), stateful=True),
        {"rate": pj.uniform(0.0, 0.1)},
        init=lambda key: model.init(key, line["x"], train=True)["params"],
        model_state={"batch_stats": variables["batch_stats"]}, stateful=True,
        evaluate=evaluate, eval_data=line, steps=10,
    )  # fmt: skip
    expected = (line["x"].mean() + 2) * (1 - 0.5**10)
    np.testing.assert_allclose([r.metrics["mean"] for r in result.records], expected, rtol=1e-5)


@pytest.mark.parametrize("layout", [Layout(1), Layout(4)], ids=str)
def test_a_replayed_run_is_its_lane(line, line_loss, layout):
    result = swept(
        line, lambda hp: pj.train_step(line_loss, optax.adam(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 0.1)}, steps=40, batch_size=7, seeds=2, layout=layout,
    )  # fmt: skip
    again = result.replay(2, 1)
    assert again.params_distance < 1e-5
    assert again.loss_distance < 1e-4
    assert again.history["loss"].shape == (40,)
    assert "its lane" in str(again)
    with pytest.raises(ValueError, match="expected a trial from 0 to 2 and a seed from 0 to 1"):
        result.replay(3, 0)


def test_a_diverged_run_is_replayed_up_to_where_it_was_lost(line, line_loss):
    result = swept(
        line, lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        {"rate": pj.uniform(50.0, 60.0)}, steps=60,
    )  # fmt: skip
    assert {record.status for record in result.records} == {"diverged"}
    assert result.replay(0, 0).params_distance < 1e-4


@pytest.mark.parametrize(
    ("make", "space", "message"),
    [
        (
            lambda hp, loss: pj.train_step(loss, optax.sgd(hp["rate"])),
            {"rate": pj.uniform(0.1, 0.2), "decay": pj.uniform(0.0, 0.1)},
            "nothing depends on 'decay'",
        ),
        (
            lambda hp, loss: pj.train_step(loss, optax.sgd(0.1)),
            {"chain": pj.choice(["a", "b"])},
            "nothing depends on 'chain'",
        ),
        (
            lambda hp, loss: pj.train_step(loss, optax.sgd(hp["learning_rate"])),
            {"learning_rte": pj.uniform(0.1, 0.2)},
            "unknown hyperparameter 'learning_rate'; nearest: learning_rte",
        ),
        (
            lambda hp, loss: pj.train_step(
                loss, optax.sgd(hp["rate"]) if hp["nesterov"] > 0.5 else optax.adam(hp["rate"])
            ),
            {"rate": pj.uniform(0.1, 0.2), "nesterov": pj.uniform(0.0, 1.0)},
            "its structure depends on the value of 'nesterov', which is traced",
        ),
        (
            lambda hp, loss: pj.train_step(
                loss, optax.chain(*[optax.sgd(hp["rate"])] * int(hp["links"]))
            ),
            {"rate": pj.uniform(0.1, 0.2), "links": pj.integer(1, 3)},
            "depends on the value of 'links'",
        ),
        (
            lambda hp, loss: pj.train_step(loss, optax.sgd(hp["momentum"])),
            {
                "chain": pj.choice(["a", "b"]),
                "momentum": pj.conditional("chain", "a", pj.uniform(0.0, 0.5)),
            },
            "reads 'momentum', which does not exist beside chain='b'",
        ),
        (lambda hp, loss: optax.sgd(hp["rate"]), {"rate": pj.uniform(0.1, 0.2)}, "a trainer such"),
    ],
    ids=["unread", "unread choice", "typo", "branch", "loop", "conditional", "no trainer"],
)
def test_what_could_only_mislead_is_refused_before_training(line, line_loss, make, space, message):
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        swept(line, lambda hp: make(hp, line_loss), space)


def test_hyperparameters_may_be_unpacked(line, line_loss):
    result = swept(
        line, lambda hp: pj.train_step(line_loss, optax.sgd(**hp)),
        {"learning_rate": pj.uniform(0.01, 0.1), "nesterov": pj.choice([True, False], static=True),
         "momentum": pj.uniform(0.0, 0.9)},
    )  # fmt: skip
    assert len(result.records) == 3


def quick(line, line_loss, **settings):
    return swept(
        line, lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        {"rate": pj.uniform(0.1, 0.2)}, **settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"memory": 2**60}, ValueError, "asked for 1024.0 PiB, and there is"),
        ({"memory": 2**20}, ValueError, "less than the .* that the program takes before"),
        ({"memory": "all"}, TypeError, "expected a number of bytes or 'auto', got 'all'"),
        ({"layout": 4}, TypeError, "layout: expected a pj.populations.Layout or None, got int 4"),
        ({"devices": []}, ValueError, "expected different devices, at least one"),
        ({"evaluate": lambda p, d: 1.0}, TypeError, "evaluate: expected it to return metrics"),
        ({"evaluations": 0}, ValueError, "evaluations: expected"),
        ({"batch_size": 0}, ValueError, "batch_size: expected"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_more_than_there_is_is_refused(line, line_loss, settings, error, message):
    with pytest.raises(error, match=message):
        quick(line, line_loss, **settings)


def test_a_single_run_that_memory_does_not_hold_is_refused(line, line_loss, monkeypatch):
    from paramjax.populations.planning import _choose as choose

    monkeypatch.setattr(choose, "memory_limit", lambda memory: choose.memory_in_use() + 1)
    with pytest.raises(ValueError, match="a single run takes .*; allow more, or take a smaller"):
        quick(line, line_loss)


def test_the_width_shrinks_until_it_fits(line, line_loss, monkeypatch):
    from paramjax.populations.planning import _choose as choose

    room = 400_000
    monkeypatch.setattr(choose, "memory_limit", lambda memory: 10**9 + room)
    monkeypatch.setattr(choose, "memory_in_use", lambda: 10**9)
    result = quick(line, line_loss, trials=64, seeds=2, steps=50, layout=Layout(128))
    (choice,) = result.plan.choices
    assert choice.layout.width < 128
    assert result.plan.peak <= 10**9 + room
    assert len(result.records) == 128
