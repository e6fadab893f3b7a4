"""Training loops written with JAX and optax alone, which the contract suite holds us to."""

import functools

import jax
import jax.numpy as jnp
import optax
import optax.contrib as contrib

TAKES = {"sam": (), "sam_opaque": ("grad_fn",), "sophia": ("obj_fn",)}
ROWS, MICROBATCHES = 8, 4


def loss_fn(params, batch, key):
    """Mean squared error of a linear map, with a hidden bend so that it is not quadratic."""
    hidden = batch["x"] @ params["w"] + jnp.broadcast_to(params["b"], (batch["x"].shape[0], 2))
    return jnp.mean((jnp.tanh(hidden) - batch["y"]) ** 2), {}


def problem(steps=4):
    """Parameters and batches: {"x": [steps, rows, 3], "y": [steps, rows, 2]}."""
    keys = jax.random.split(jax.random.key(1), 3)
    params = {"w": jax.random.normal(keys[0], (3, 2)), "b": jnp.array([0.2, -0.1])}
    x = jax.random.normal(keys[1], (steps, ROWS, 3))
    return params, {"x": x, "y": jnp.tanh(x[..., :2] - 0.3 * x[..., 1:])}


def value_and_grad(loss, params, batch, per_example=False):
    """Loss and gradient; with per_example a gradient for each row, [rows, ...]."""
    scalar = lambda p, b: loss(p, b, None)[0]
    if not per_example:
        return jax.value_and_grad(scalar)(params, batch)
    rows = jax.tree.map(lambda leaf: leaf[:, None], batch)
    values, grads = jax.vmap(jax.value_and_grad(scalar), (None, 0))(params, rows)
    return values.mean(), grads


@functools.partial(jax.jit, static_argnums=(0, 3))
def accumulated(loss, params, batch, per_example=False):
    """The mean of the microbatches' losses and gradients."""
    assert not per_example
    size = ROWS // MICROBATCHES
    parts = [
        value_and_grad(loss, params, jax.tree.map(lambda leaf, i=i: leaf[i : i + size], batch))
        for i in range(0, ROWS, size)
    ]
    return jax.tree.map(lambda *leaves: sum(leaves) / MICROBATCHES, *parts)


def train(name, tx, batches, params, *, loss=loss_fn, gradient=value_and_grad, per_example=False):
    """Step by step: the parameters to evaluate after each step, and the last opt_state."""
    if isinstance(tx, optax.MultiSteps):
        tx = tx.gradient_transformation()
    tx = optax.with_extra_args_support(tx)
    if name == "lookahead":
        params = optax.LookaheadParams.init_synced(params)
    opt_state, iterates = tx.init(params), []
    for step in range(len(jax.tree.leaves(batches)[0])):
        batch = jax.tree.map(lambda leaf, i=step: leaf[i], batches)
        at = params.fast if name == "lookahead" else params
        value, grads = gradient(loss, at, batch, per_example)
        offered = {
            "value": value,
            "grad": grads,
            "value_fn": lambda p, b=batch: gradient(loss, p, b)[0],
            "obj_fn": lambda p, b=batch: gradient(loss, p, b)[0],
            "grad_fn": lambda p, i, b=batch: gradient(loss, p, b)[1],
        }
        wanted = TAKES.get(name, ("value", "grad", "value_fn"))
        extra = {argument: offered[argument] for argument in wanted}
        updates, opt_state = tx.update(grads, opt_state, params, **extra)
        params = optax.apply_updates(params, updates)
        iterates.append(evaluated(name, opt_state, params))
    return iterates, opt_state


def evaluated(name, opt_state, params):
    """What each optimizer's paper says must be evaluated."""
    if name == "lookahead":
        return params.slow
    if name in {"schedule_free", "schedule_free_sgd", "schedule_free_adamw"}:
        return contrib.schedule_free_eval_params(opt_state, params)
    if name == "sam":
        return opt_state.cache if int(opt_state.steps_since_sync) else params
    if name == "partition":  # the weights alone are trained schedule-free
        own = opt_state.inner_states["w"].inner_state
        return {**params, "w": (params["w"] - (1.0 - own.b1) * own.z["w"]) / own.b1}
    return params
