"""Structural hyperparameters, stateful losses, and what is refused before training."""

from dataclasses import replace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import draw_line, sweep_line

import paramjax as pj
from paramjax.models import MLP


def swept(line, make, space, **settings):
    arguments = {"seeds": 1, "steps": 5, "layout": pj.populations.Layout(2)} | settings
    return sweep_line(line, None, make_trainer=make, space=space, **arguments)


def test_parameters_and_batches_follow_the_structure(line, tmp_path):
    """Models of two widths trained on batches of two sizes, kept and read again."""

    def wide():
        def make(hp):
            def loss_fn(params, batch, key):
                predicted = MLP((hp["width"], 1)).apply(params, batch["x"])
                rows = jnp.float32(len(batch["x"]))
                return jnp.mean((predicted - batch["y"]) ** 2), {"rows": rows}

            return pj.train_step(loss_fn, optax.sgd(hp["rate"]))

        return swept(
            line, make,
            {"width": pj.choice([2, 3], static=True), "rate": pj.uniform(0.01, 0.1)},
            init=lambda key, hp: MLP((hp["width"], 1)).init(key, line["x"][:1]),
            batch_size=lambda hp: hp["width"] + 2, seeds=2, trials=pj.tuning.grid(2),
            store=tmp_path, layout=None,
        )  # fmt: skip

    result, again = wide(), wide()
    assert len(result.records) == 8
    for record in result.records:
        width = record.hyperparameters["width"]
        params = result.params_of(record.trial, record.seed)
        assert params["params"]["Dense_0"]["kernel"].shape == (1, width)
        assert record.metrics["rows"] == width + 2
    with pytest.raises(ValueError, match=r"take params_of\(trial, seed\)"):
        _ = result.params
    assert result.history["loss"].shape == (8, 5)
    assert "width=2: 4 runs" in result.plan.describe()
    assert again.records == result.records
    chex.assert_trees_all_equal(again.params_of(3, 1), result.params_of(3, 1))


def test_a_structure_is_traced_once_and_a_conditional_grid_is_trained_whole(line, line_loss):
    """Two rates of plain descent, and of the other two with both ends of a momentum."""
    traced = []
    chains = {
        "plain": lambda hp: optax.sgd(hp["rate"]),
        "momentum": lambda hp: optax.sgd(hp["rate"], momentum=hp["momentum"]),
    }

    def make(hp):
        traced.append(hp["chain"])
        return pj.train_step(line_loss, chains[hp["chain"]](hp))

    result = swept(
        line, make,
        {
            "chain": pj.choice(["plain", "momentum"]), "rate": pj.uniform(0.05, 0.2),
            "momentum": pj.conditional("chain", "momentum", pj.uniform(0.0, 0.5)),
        },
        trials=pj.tuning.grid(2),
    )  # fmt: skip
    # once for each of the four functions of a trainer, however many trials there are
    assert sorted(traced) == ["momentum"] * 4 + ["plain"] * 4
    assert set(result.records[0].metrics) == {"loss", "grad_norm"}
    tried = [record.hyperparameters for record in result.records]
    assert sum("momentum" in hp for hp in tried) == 4
    assert len(tried) == 6
    last = {
        tuple(hp.values()): r.metrics["loss"] for hp, r in zip(tried, result.records, strict=True)
    }
    # without momentum both chains are the same descent
    for rate in (0.05, 0.2):
        rate = float(np.float32(rate))
        np.testing.assert_allclose(last["momentum", rate, 0.0], last["plain", rate], rtol=1e-5)


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
        evaluate=evaluate, eval_data=line, steps=10, metric="mean",
    )  # fmt: skip
    expected = (line["x"].mean() + 2) * (1 - 0.5**10)
    np.testing.assert_allclose([r.metrics["mean"] for r in result.records], expected, rtol=1e-5)


RATE = pj.uniform(0.1, 0.2)


@pytest.mark.parametrize(
    ("make", "space", "message"),
    [
        (
            lambda hp: optax.sgd(hp["rate"]),
            {"rate": RATE, "decay": pj.uniform(0.0, 0.1)},
            "nothing depends on 'decay'",
        ),
        (
            lambda hp: optax.sgd(0.1),
            {"chain": pj.choice(["a", "b"])},
            "nothing depends on 'chain'",
        ),
        (
            lambda hp: optax.sgd(hp["learning_rate"]),
            {"learning_rte": RATE},
            "unknown hyperparameter 'learning_rate'; nearest: learning_rte",
        ),
        (
            lambda hp: optax.sgd(hp["rate"]) if hp["nesterov"] > 0.5 else optax.adam(hp["rate"]),
            {"rate": RATE, "nesterov": pj.uniform(0.0, 1.0)},
            "its structure depends on the value of 'nesterov', which is traced",
        ),
        (
            lambda hp: optax.chain(*[optax.sgd(hp["rate"])] * int(hp["links"])),
            {"rate": RATE, "links": pj.integer(1, 3)},
            "depends on the value of 'links'",
        ),
        (
            lambda hp: optax.sgd(hp["momentum"]),
            {
                "chain": pj.choice(["a", "b"]),
                "momentum": pj.conditional("chain", "a", pj.uniform(0.0, 0.5)),
            },
            "reads 'momentum', which does not exist with chain='b'",
        ),
    ],
    ids=["unread", "unread choice", "typo", "branch", "loop", "conditional"],
)
def test_what_could_only_mislead_is_refused_before_training(line, line_loss, make, space, message):
    with pytest.raises((ValueError, KeyError), match=message):
        swept(line, lambda hp: pj.train_step(line_loss, make(hp)), space)


def test_a_transformation_is_no_trainer(line):
    with pytest.raises(TypeError, match="make_trainer: expected it to return a trainer such as"):
        swept(line, lambda hp: optax.sgd(hp["rate"]), {"rate": RATE})


def test_hyperparameters_may_be_unpacked(line, line_loss):
    result = swept(
        line, lambda hp: pj.train_step(line_loss, optax.sgd(**hp)),
        {"learning_rate": pj.uniform(0.01, 0.1), "nesterov": pj.choice([True, False], static=True),
         "momentum": pj.uniform(0.0, 0.9)},
    )  # fmt: skip
    assert len(result.records) == 4


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("train_loss", ValueError, "is called 'train_loss', which is the mean loss of the training"),
     ("step", ValueError, "is called 'step', which is the number of the step"),
     (3, TypeError, "expected names of metrics, got int 3")],
)  # fmt: skip
def test_names_that_curves_have_are_refused_everywhere(line, line_loss, name, error, message):
    def evaluate(params, batch):
        return {"loss": line_loss(params, batch, None)[0], name: 1.0}

    def make_trainer(hp):
        return pj.train_step(line_loss, optax.sgd(hp["rate"]))

    space, key = {"rate": pj.uniform(0.1, 0.2)}, jax.random.key(0)
    own = pj.Problem(init=draw_line, data=line, evaluate=evaluate)
    more = {"steps": 2, "key": key}
    for call in (
        lambda: pj.fit(make_trainer({"rate": 0.1}), draw_line(key), line, **more,
                       validation=pj.Validation(evaluate, line, every=1)),
        lambda: pj.sweep(make_trainer, space, own, trials=1, seeds=1, **more, folds=2),
        lambda: pj.sweep(make_trainer, space, replace(own, eval_data=line), trials=1, seeds=1,
                         **more),
        lambda: pj.cross_validate(make_trainer, own, hyperparameters={"rate": 0.1}, **more),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()
