import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from comparing import at
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.data import batch_order
from paramjax.step.trainers import federated

CLIENTS, ROWS = 4, 6


def loss_fn(params, batch, key):
    """Mean squared error of a line over the rows that are no padding, with noisy inputs."""
    x = batch["x"] + 0.01 * jax.random.normal(key, batch["x"].shape)
    residual = params["w"] * x + params["b"] - batch["y"]
    rows = batch["mask"].sum()
    loss = jnp.sum(batch["mask"] * residual**2) / jnp.maximum(rows, 1)
    return loss, {"rows": rows}


def quadratic(params, batch, key):
    return 0.5 * jnp.mean((params - batch) ** 2), {}


@pytest.fixture
def clients():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, CLIENTS, ROWS)).astype(np.float32)
    mask = (np.arange(ROWS) < np.array([[6], [2], [4], [3]])).astype(np.float32)
    return {"x": x, "y": y, "mask": mask}


@pytest.fixture
def params():
    return {"w": jnp.float32(0.5), "b": jnp.float32(-1.0)}


def rows_used(batch):
    return batch["mask"].sum()


def one_round(trainer, params, batch, key, model_state=()):
    return jax.jit(trainer.step)(trainer.init(key, params, model_state), batch)


def test_one_local_step_is_descent_on_the_pooled_rows(key):
    data = np.arange(24.0, dtype=np.float32).reshape(CLIENTS, ROWS)
    trainer = federated(quadratic, optax.sgd(0.3), local_steps=1)
    state = trainer.init(key, jnp.float32(2.0))
    expected = 2.0
    for _ in range(3):
        state, metrics = trainer.step(state, data)
        np.testing.assert_allclose(metrics["loss"], 0.5 * np.mean((expected - data) ** 2))
        np.testing.assert_allclose(metrics["grad_norm"], 0.3 * abs(expected - data.mean()))
        expected -= 0.3 * (expected - data.mean())
        np.testing.assert_allclose(state.params, expected, rtol=1e-6)
    assert int(metrics["clients"]) == CLIENTS


def by_hand(params, batch, *, chosen, keys, proximal, steps):
    """The weighted mean of what the chosen clients learn, in a plain loop over clients."""
    ends, losses, weights, tx = [], [], [], optax.adam(0.1)

    @jax.jit
    def local_step(own, opt_state, minibatch, key):
        def objective(p):
            distance = sum(jnp.sum((p[name] - params[name]) ** 2) for name in p)
            return loss_fn(p, minibatch, key)[0] + 0.5 * proximal * distance

        loss, grads = jax.value_and_grad(objective)(own)
        updates, opt_state = tx.update(grads, opt_state, own)
        return optax.apply_updates(own, updates), opt_state, loss

    for client, client_key in zip(chosen, keys, strict=True):
        rows = at(batch, client)
        order_key, state_key = jax.random.split(client_key)
        order = np.asarray(batch_order(order_key, ROWS, 4, steps))
        own, opt_state, seen = params, tx.init(params), []
        for step in range(steps):
            step_key = jax.random.fold_in(state_key, step)
            own, opt_state, loss = local_step(own, opt_state, at(rows, order[step]), step_key)
            seen.append(loss)
        weights.append(rows["mask"].sum())
        losses.append(seen[0])
        ends.append(own)
    mean = lambda *values: np.average(np.array(values), weights=weights)
    return jax.tree.map(mean, *ends), mean(*losses)


def test_equals_a_loop_over_clients(clients, params, key):
    server = optax.sgd(0.7, momentum=0.5)
    options = {"server_tx": server, "clients_per_round": 2, "weight": rows_used}
    trainer = federated(
        loss_fn, optax.adam(0.1), local_steps=3, local_batch_size=4, proximal=0.3, **options
    )
    state, metrics = one_round(trainer, params, clients, key)
    draw_key, local_key = jax.random.split(jax.random.fold_in(key, 0))
    chosen = np.asarray(jax.random.choice(draw_key, CLIENTS, (2,), replace=False))
    keys = jax.random.split(local_key, 2)
    average, loss = by_hand(params, clients, chosen=chosen, keys=keys, proximal=0.3, steps=3)
    pseudo = jax.tree.map(jnp.subtract, params, average)
    updates, opt_state = server.update(pseudo, server.init(params), params)
    chex.assert_trees_all_close(state.params, optax.apply_updates(params, updates), rtol=1e-5)
    chex.assert_trees_all_close(state.opt_state, opt_state, rtol=1e-4)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(pseudo), rtol=1e-4)
    assert int(metrics["clients"]) == 2


def test_rounds_draw_different_clients_without_replacement(key):
    # each client pulls its own coordinate to 1 in one step, so the step shows who was there
    pull = lambda params, client, key: (0.5 * jnp.sum((params - client) ** 2), {})
    trainer = federated(pull, optax.sgd(1.0), local_steps=1, clients_per_round=2)
    state, step, seen = trainer.init(key, jnp.zeros(5)), jax.jit(trainer.step), set()
    for _ in range(6):
        after, _ = step(state, np.eye(5, dtype=np.float32))
        assert sorted(after.params.tolist()) == [0.0, 0.0, 0.0, 0.5, 0.5]
        seen.add(tuple(np.flatnonzero(after.params).tolist()))
        state = after._replace(params=state.params)
    assert len(seen) > 1
    assert set().union(*seen) == set(range(5))


@pytest.mark.parametrize(
    ("tx", "steps", "strength"),
    [(optax.sgd(0.2), 100, 0.0), (optax.sgd(0.2), 100, 3.0), (optax.lbfgs(), 10, 0.5)],
    ids=["averaging", "proximal", "line search"],
)
def test_many_local_steps_reach_the_proximal_optimum(key, tx, steps, strength):
    data = np.array([[1.0, 3.0], [-4.0, 0.0]], np.float32)
    trainer = federated(quadratic, tx, local_steps=steps, proximal=strength)
    state, _ = one_round(trainer, jnp.float32(10.0), data, key)
    # argmin of (p - m)^2 / 2 + mu (p - s)^2 / 2 is (m + mu s) / (1 + mu), for each client
    expected = (data.mean(1) + strength * 10.0) / (1.0 + strength)
    np.testing.assert_allclose(state.params, expected.mean(), rtol=1e-5)


def test_line_searches_see_the_proximal_term(key):
    data = np.array([[1.0, 3.0]], np.float32)
    # a whole step of descent ends at the rows' mean, far beyond the proximal optimum
    tx = optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(10))
    trainer = federated(quadratic, tx, local_steps=1, proximal=3.0)
    state, _ = one_round(trainer, jnp.float32(10.0), data, key)
    whole = lambda p, rows, key: (quadratic(p, rows, key)[0] + 1.5 * (p - 10.0) ** 2, {})
    expected, _ = run_steps(pj.train_step(whole, tx), jnp.float32(10.0), key, jnp.asarray(data))
    np.testing.assert_allclose(state.params, expected.params, rtol=1e-5)


def test_the_learning_rate_reported_is_the_servers(key):
    rate = optax.inject_hyperparams(optax.sgd)
    for options, expected in (({}, None), ({"server_tx": rate(learning_rate=0.5)}, 0.5)):
        trainer = federated(quadratic, rate(learning_rate=0.25), local_steps=1, **options)
        _, metrics = one_round(trainer, jnp.float32(0.0), np.ones((2, 2)), key)
        assert metrics.get("learning_rate") == expected


def test_clients_may_estimate_gradients_per_example(key):
    data = np.array([[1.0, 3.0], [-4.0, 0.0]], np.float32)
    tx = optax.chain(optax.stateless(lambda grads, params: grads.mean(0)), optax.sgd(0.2))
    trainers = [
        federated(loss, tx, local_steps=3, proximal=0.5)
        for loss, tx in ((pj.grads.per_example(quadratic), tx), (quadratic, optax.sgd(0.2)))
    ]
    ends = [one_round(trainer, jnp.float32(10.0), data, key)[0].params for trainer in trainers]
    np.testing.assert_allclose(*ends, rtol=1e-6)


def test_clients_without_weight_do_not_count(clients, params, key):
    options = {"local_steps": 2, "local_batch_size": 4, "weight": rows_used}
    trainer = federated(loss_fn, optax.adam(0.1), **options)
    empty = {name: leaf.copy() for name, leaf in clients.items()}
    empty["mask"][1:] = 0.0
    empty["y"][3] = np.inf  # a client without weight may diverge
    state, metrics = one_round(trainer, params, empty, key)
    keys = jax.random.split(jax.random.split(jax.random.fold_in(key, 0))[1], CLIENTS)[:1]
    first, loss = by_hand(params, clients, chosen=[0], keys=keys, proximal=0.0, steps=2)
    chex.assert_trees_all_close(state.params, first, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    assert int(metrics["clients"]) == 1


def test_a_round_without_weight_moves_nothing_and_a_negative_weight_gives_nan(clients, params, key):
    weight = lambda client: client["weight"][0]
    trainer = federated(loss_fn, optax.sgd(0.1), local_steps=2, weight=weight)
    step = jax.jit(trainer.step)
    state, metrics = step(trainer.init(key, params), {**clients, "weight": np.zeros((CLIENTS, 6))})
    chex.assert_trees_all_equal(state.params, params)
    assert jnp.isnan(metrics["loss"])  # so that skip_nonfinite rejects the round
    assert int(metrics["clients"]) == 0
    negative = np.tile([[1.0], [1.0], [-1.0], [1.0]], 6)
    state, _ = step(trainer.init(key, params), {**clients, "weight": negative})
    assert jnp.isnan(state.params["w"])


def test_clients_send_what_their_optimizer_wants_evaluated(key):
    tx = optax.contrib.schedule_free_sgd(0.3)
    data = np.array([[1.0, 3.0]], np.float32)
    state, _ = one_round(federated(quadratic, tx, local_steps=3), jnp.float32(0.0), data, key)
    alone = pj.train_step(quadratic, tx)
    own, _ = run_steps(alone, jnp.float32(0.0), key, jnp.tile(data, (3, 1)))
    np.testing.assert_allclose(state.params, alone.eval_params(own), rtol=1e-6)
    assert float(state.params) != float(own.params)


def test_model_state_is_averaged_with_the_weights(key):
    stateful = lambda params, seen, batch, key: (
        jnp.sum(params * batch.mean()),
        (0.5 * seen + 0.5 * batch.mean(), {}),
    )
    data = np.array([[2.0, 2.0], [6.0, 6.0]], np.float32)
    options = {"local_steps": 2, "weight": lambda rows: rows[0], "stateful": True}
    trainer = federated(stateful, optax.sgd(0.1), **options)
    state, _ = one_round(trainer, jnp.zeros(()), data, key, jnp.float32(8.0))
    ends = 0.25 * 8.0 + 0.75 * data[:, 0]
    np.testing.assert_allclose(state.model_state, (2.0 * ends[0] + 6.0 * ends[1]) / 8.0)


def test_half_precision_is_averaged_in_single(key):
    # 256 clients that each end 1 / 256 of a step apart: bfloat16 would lose their sum
    data = np.ones((256, 1), np.float32)
    data[0] = 1.0 + 128.0
    slope = lambda p, rows, key: (jnp.sum(p * rows.mean().astype(p.dtype)), {})
    trainer = federated(slope, optax.sgd(1.0), local_steps=1)
    state, _ = one_round(trainer, jnp.zeros((), jnp.bfloat16), data, key)
    assert state.params.dtype == jnp.bfloat16
    assert float(state.params) == -1.5  # all ones and one 129


def test_what_is_refused(clients, params, key):
    make = lambda **change: federated(
        **{"loss_fn": loss_fn, "client_tx": optax.sgd(0.1), "local_steps": 1, **change}
    )
    own_state = pj.GradFn(lambda *args: args, init=lambda params, state: state)
    assert_refused(
        make,
        ({"local_steps": 0}, ValueError, "local_steps: expected a whole number from 1"),
        ({"local_batch_size": 0}, ValueError, "local_batch_size: expected a whole number from 1"),
        ({"clients_per_round": 1.5}, TypeError, "clients_per_round: expected a whole number"),
        ({"proximal": -1.0}, ValueError, "proximal: expected a number from 0"),
        ({"client_tx": 0.1}, TypeError, "client_tx: expected an optax gradient transformation"),
        ({"server_tx": 0.1}, TypeError, "server_tx: expected an optax gradient transformation"),
        ({"loss_fn": own_state}, ValueError, "estimator without state of its own"),
    )
    few, short = np.zeros((3, ROWS)), np.zeros((CLIENTS, 5))
    assert_refused(
        lambda y=clients["y"], **options: one_round(
            make(**options), params, {**clients, "y": y}, key
        ),
        (
            {"clients_per_round": 5},
            ValueError,
            "clients_per_round: expected at most the 4 clients .* got 5",
        ),
        (
            {"local_batch_size": 7},
            ValueError,
            "local_batch_size: expected at most the 6 rows .* got 7",
        ),
        (
            few,
            ValueError,
            "federated: expected leaves of one length .* {'mask': 4, 'x': 4, 'y': 3}",
        ),
        (
            {"y": short, "local_batch_size": 2},
            ValueError,
            "federated: one client: .* {'mask': 6, 'x': 6, 'y': 5}",
        ),
        (
            {"weight": lambda client: client["x"]},
            ValueError,
            r"weight: expected one number .* \(6,\)",
        ),
    )
    count = lambda params, state, batch, key: (params, ({"steps": state["steps"] + 1}, {}))
    trainer = make(loss_fn=count, stateful=True)
    with pytest.raises(TypeError, match="leaf steps of the model state is int32"):
        one_round(trainer, jnp.zeros(()), np.zeros((2, 2)), key, {"steps": jnp.int32(0)})
