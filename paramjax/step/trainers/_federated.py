"""Federated rounds: clients train on rows of their own, a server averages their parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import check_count, check_rate, check_rows, describe, leaf_name
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params, PyTree
from paramjax.data._sampler import batch_order
from paramjax.step._gradients import GradFn, as_grad_fn, join_aux
from paramjax.step._state import Trainer, scan_steps
from paramjax.step._train_step import as_transformation, train_step
from paramjax.step.hooks._hook import Hook

_AVERAGE = optax.sgd(1.0)
"""The server of federated averaging: its new parameters are the clients' average."""


def federated(
    loss_fn: LossFn | GradFn,
    client_tx: optax.GradientTransformation,
    *,
    local_steps: int,
    local_batch_size: int | None = None,
    server_tx: optax.GradientTransformation = _AVERAGE,
    proximal: float = 0.0,
    clients_per_round: int | None = None,
    weight: Callable[[Batch], Array] | None = None,
    hooks: Sequence[Hook] = (),
    stateful: bool = False,
) -> Trainer:
    r"""Federated averaging; one step is one round.

    $$\Delta = \sum_k \frac{n_k}{n} (\theta - \theta_k),\qquad
    \theta \leftarrow \mathrm{server\_tx}(\Delta)$$
    where client k reaches $\theta_k$ from $\theta$ by `local_steps` steps on
    $\ell_k(\theta') + \frac{\mu}{2} \lVert \theta' - \theta \rVert^2$. With the defaults this
    is FederatedAveraging (McMahan et al., 2017, Algorithm 1), with $\mu > 0$ FedProx (Li et
    al., 2020, eq. 2), with another server the FedOpt family (Reddi et al., 2021, Algorithm 1).

    A round's key is split into (draw, rest). With `clients_per_round` the clients are a
    `jax.random.choice` without replacement from draw; the i-th of n gets `split(rest, n)[i]`,
    which is split again into (order of its rows, key of its steps).

    Args:
        loss_fn: The loss of one client's rows, `(params, batch, key) -> (loss, metrics)`, or a
            `GradFn`.
        client_tx: The clients' gradient transformation; its state is fresh in every round. A
            client returns what it wants evaluated (lookahead, schedule-free).
        local_steps: Steps of each client in a round, positive.
        local_batch_size: Rows of a local step, drawn without replacement epoch by epoch (rows
            left over at an epoch's end are dropped), so that E epochs are
            `E * (rows // local_batch_size)` local steps; None takes all rows.
        server_tx: The gradient transformation of the server, applied to the pseudo-gradient
            $\Delta$; its state is kept from round to round.
        proximal: $\mu$, the weight of the proximal term, non-negative.
        clients_per_round: Number of clients drawn from the batch without replacement; None
            takes all of them.
        weight: `(batch of one client) -> n_k`, non-negative, such as the number of rows that
            are not padding; None weighs clients equally. Clients of weight zero do not count;
            a negative weight gives NaN.
        hooks: Averages, guards and monitors on the server's parameters.
        stateful: Whether the loss takes and returns model state; its arrays are averaged like
            the parameters, without the server's transformation.

    Returns:
        A trainer whose batch is a pytree of arrays [clients, rows, ...]: all clients, or those
        that `fit(batch_size=...)` drew. Its metrics are `loss` and those of the loss, weighted
        means over the clients at their first local step, that is at the server's parameters;
        `grad_norm` of the pseudo-gradient; and `clients`, the number with weight above zero.
        In a round where none has, the pseudo-gradient is zero and the loss NaN, so that
        `skip_nonfinite` rejects the round.

    Raises:
        TypeError: If `loss_fn` is not callable, or a transformation not a gradient
            transformation; at the first trace, if a leaf of the model state is not
            floating-point and so has no mean.
        ValueError: If a number is out of range, or the gradient estimator has state of its
            own; at the first trace, if leaves disagree in their number of clients or rows, or
            there are fewer clients or rows than asked for, or a weight is not one number.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, rows, key: (jnp.mean((params - rows) ** 2), {})
        >>> trainer = pj.trainers.federated(loss_fn, optax.sgd(0.5), local_steps=1)
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, metrics = trainer.step(state, jnp.array([[1.0, 3.0], [5.0, 7.0]]))
        >>> float(state.params), int(metrics["clients"])
        (4.0, 2)
    """
    check_count("local_steps", local_steps)
    optional = {"local_batch_size": local_batch_size, "clients_per_round": clients_per_round}
    for name, count in optional.items():
        if count is not None:
            check_count(name, count)
    check_rate("proximal", proximal)
    client_tx = as_transformation(client_tx, "client_tx")
    server_tx = as_transformation(server_tx, "server_tx")
    grad_fn = _check_stateless(as_grad_fn(loss_fn, stateful=stateful))
    train_client = _client(grad_fn, client_tx, local_steps, local_batch_size, proximal)

    def estimate(*args: Any) -> tuple[Any, Any, Any]:
        *arrays, clients, key = args
        clients, key = _draw_clients(clients, clients_per_round, key)
        weights = _weights(weight, clients)
        start, keys = tuple(arrays), jax.random.split(key, weights.size)
        ends, metrics = jax.vmap(train_client, (None, 0, 0))(start, clients, keys)
        back = _pseudo_gradient(weights, start, ends)
        moved = jax.tree.map(jnp.subtract, start, back)
        metrics = jax.tree.map(lambda values: _mean(weights, values), metrics)
        metrics.pop("learning_rate", None)  # the clients' own; the server's takes its place
        metrics["clients"] = (weights > 0).sum()
        return back[0], metrics["loss"], join_aux(moved[1:], metrics)

    return train_step(GradFn(estimate, stateful=grad_fn.stateful), server_tx, hooks)


def _client(
    grad_fn: GradFn,
    tx: optax.GradientTransformation,
    steps: int,
    batch_size: int | None,
    proximal: float,
) -> Callable[[tuple[PyTree, ...], Batch, Key], tuple[tuple[PyTree, ...], Metrics]]:
    """A client's training: `(start, rows, key) -> (end, metrics at the start)`."""

    def train(start: tuple[PyTree, ...], batch: Batch, key: Key) -> tuple[Any, Metrics]:
        trainer = train_step(_with_proximal_term(grad_fn, proximal, start[0]), tx)
        order_key, state_key = jax.random.split(key)
        order = _local_order(order_key, batch, batch_size, steps)
        state = trainer.init(state_key, *start)
        state, metrics = scan_steps(trainer, state, batch, order, steps)
        end = (trainer.eval_params(state), state.model_state)[: len(start)]
        return end, jax.tree.map(lambda values: values[0], metrics)

    return train


def _check_stateless(grad_fn: GradFn) -> GradFn:
    """Raise if the estimator has more state than the model's."""
    if grad_fn.init is not None:
        raise ValueError(
            "federated: expected a gradient estimator without state of its own, because clients "
            "start anew in every round; got one with init, such as a dynamic loss scale"
        )
    return grad_fn


def _with_proximal_term(grad_fn: GradFn, strength: float, center: Params) -> GradFn:
    """The estimator of the loss plus its proximal term around the center."""

    def penalty(params: Params) -> Array:
        difference = jax.tree.map(jnp.subtract, params, center)
        return jnp.asarray(0.5 * strength * optax.tree.norm(difference, squared=True))

    def add_slope(grad: Array, param: Array, middle: Array) -> Array:
        slope = (strength * (param - middle)).astype(grad.dtype)
        return grad + jnp.broadcast_to(slope, grad.shape)  # gradients may be per example

    def estimate(params: Params, *rest: Any) -> tuple[Any, Any, Any]:
        grads, loss, aux = grad_fn(params, *rest)
        grads = jax.tree.map(add_slope, grads, params, center)
        return grads, loss + penalty(params), aux

    def with_penalty(loss_fn: LossFn) -> LossFn:
        def loss_and_penalty(params: Params, *rest: Any) -> tuple[Array, Any]:
            loss, aux = loss_fn(params, *rest)
            return loss + penalty(params), aux

        return loss_and_penalty

    loss_fn = None if grad_fn.loss_fn is None else with_penalty(grad_fn.loss_fn)
    return dataclasses.replace(grad_fn, estimate=estimate, loss_fn=loss_fn)


def _local_order(key: Key, batch: Batch, batch_size: int | None, steps: int) -> Array | None:
    """The rows of each local step, int32[steps, batch_size]; None for all of them."""
    if batch_size is None:
        return None
    rows = check_rows("federated: one client", batch)
    if batch_size > rows:
        raise ValueError(
            f"local_batch_size: expected at most the {rows} rows of a client, got {batch_size}"
        )
    return batch_order(key, rows, batch_size, steps)


def _draw_clients(clients: Batch, count: int | None, key: Key) -> tuple[Batch, Key]:
    """The clients of a round, and the key of their own randomness."""
    available = check_rows("federated", clients)
    draw_key, key = jax.random.split(key)
    if count is None:
        return clients, key
    if count > available:
        raise ValueError(
            f"clients_per_round: expected at most the {available} clients of the batch, got {count}"
        )
    chosen = jax.random.choice(draw_key, available, (count,), replace=False)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[chosen], clients), key


def _weights(weight: Callable[[Batch], Array] | None, clients: Batch) -> Array:
    """The weight of each client, at least float32[clients]; NaN where it is negative."""
    count = check_rows("federated", clients)
    if weight is None:
        return jnp.ones(count)
    weights = jnp.asarray(jax.vmap(weight)(clients))
    if weights.shape != (count,):
        raise ValueError(
            f"weight: expected one number for each client, got shape {weights.shape[1:]}"
        )
    weights = weights.astype(jnp.promote_types(weights.dtype, jnp.float32))
    return jnp.where(weights >= 0, weights, jnp.nan)


def _mean(weights: Array, values: Array) -> Array:
    """Weighted mean over the clients, at least float32; NaN if no client has weight."""
    share = (weights / weights.sum()).reshape(-1, *[1] * (values.ndim - 1))
    # a client of weight zero may have diverged: zero times NaN is NaN
    return (share * jnp.where(share != 0, values, 0)).sum(0)


def _pseudo_gradient(weights: Array, start: tuple[PyTree, ...], ends: tuple[PyTree, ...]) -> Any:
    """The start minus the clients' mean; zero if no client has weight."""

    def change(path: Any, before: Array, after: Array) -> Array:
        if not jnp.issubdtype(jnp.result_type(before), jnp.inexact):
            raise TypeError(
                f"federated: leaf {leaf_name(path[1:])} of the model state is {describe(before)} "
                "and has no mean over clients; keep floating-point arrays only"
            )
        mean = _mean(weights, before[None] - after)
        return jnp.where(weights.sum() == 0, 0, mean).astype(before.dtype)

    return jax.tree_util.tree_map_with_path(change, start, ends)
