"""Freezing and partitioning: two optimizers, and a gradient of the trained layers alone."""

import jax
import jax.numpy as jnp
import optax


def losses(page):
    data = jax.tree.map(jnp.asarray, page["few"])
    kept = page["learned"]["params"]["Dense_2"]
    fast, slow = optax.adam(1e-3), optax.adam(1e-4)

    def scalar(first, second):
        params = {"params": {"Dense_0": first, "Dense_1": second, "Dense_2": kept}}
        logits = page["model"].apply(params, data["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, data["y"]).mean()

    def step(carry, _):
        first, second, fast_state, slow_state = carry
        loss, (to_first, to_second) = jax.value_and_grad(scalar, (0, 1))(first, second)
        to_first, fast_state = fast.update(to_first, fast_state)
        to_second, slow_state = slow.update(to_second, slow_state)
        first = optax.apply_updates(first, to_first)
        second = optax.apply_updates(second, to_second)
        return (first, second, fast_state, slow_state), loss

    first, second = (page["learned"]["params"][name] for name in ("Dense_0", "Dense_1"))
    start = first, second, fast.init(first), slow.init(second)
    return jax.lax.scan(step, start, length=200)[1]
