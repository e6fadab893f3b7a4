"""The bilinear game of two players, min over x and max over y of x.y."""

import jax.numpy as jnp

GAME = {
    "x": lambda params, batch, key: (jnp.sum(params["x"] * params["y"]), {}),
    "y": lambda params, batch, key: (-jnp.sum(params["x"] * params["y"]), {}),
}


def start():
    return {"x": jnp.array([1.0, -0.5]), "y": jnp.array([0.5, 2.0])}
