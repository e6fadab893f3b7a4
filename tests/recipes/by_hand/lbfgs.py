"""L-BFGS: the line search gets the loss as a function, its value and its gradient."""

import jax
import jax.numpy as jnp
import optax


def losses(page):
    data = jax.tree.map(jnp.asarray, page["data"])
    tx = optax.lbfgs()

    def scalar(params):
        logits = page["model"].apply(params, data["x"])[:, 0]
        kernel = params["params"]["Dense_0"]["kernel"]
        fits = optax.losses.sigmoid_binary_cross_entropy(logits, data["y"]).mean()
        return fits + 0.005 * (kernel**2).sum()

    def step(carry, _):
        params, opt_state = carry
        loss, grads = jax.value_and_grad(scalar)(params)
        updates, opt_state = tx.update(
            grads, opt_state, params, value=loss, grad=grads, value_fn=scalar
        )
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), length=20)[1]
