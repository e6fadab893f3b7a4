"""The gradient of a two-layer network three ways: by hand, by finite differences, by jax.grad.

The chain rule is written out in numpy. A difference of two losses costs two forward passes a
parameter and trades truncation error (long steps) for rounding error (short ones).

Row 24 of the brief.
"""

import sys

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from paramjax.cli import start_script
from paramjax.losses import squared_error, supervised
from paramjax.models import MLP

MODEL = MLP((4, 1), activation="tanh")  # on 3 inputs: 21 parameters
LOSS = supervised(MODEL.apply, squared_error)
STEPS = 10.0 ** np.arange(-12, 0.5, 0.5)


def by_hand(params, x, y):
    """Forward, then backward: each line of the second half undoes one of the first."""
    first, second = params["params"]["Dense_0"], params["params"]["Dense_1"]
    a = x @ first["kernel"] + first["bias"]  # [rows, 4]
    h = np.tanh(a)
    z = h @ second["kernel"] + second["bias"]  # [rows, 1]
    # loss = mean((z - y)^2)
    dz = 2 * (z - y) / len(y)
    dh = dz @ second["kernel"].T
    da = dh * (1 - h**2)
    return {
        "params": {
            "Dense_0": {"kernel": x.T @ da, "bias": da.sum(axis=0)},
            "Dense_1": {"kernel": h.T @ dz, "bias": dz.sum(axis=0)},
        }
    }


def differences(loss, theta, step):
    """One-sided and central difference quotients in each coordinate, [parameters] each."""
    moves = step * np.eye(len(theta), dtype=theta.dtype)
    ahead, behind = (jax.vmap(loss)(theta[None] + sign * moves) for sign in (1, -1))
    return (ahead - loss(theta)) / step, (ahead - behind) / (2 * step)


def distance(found, exact):
    """The error's length relative to that of the gradient."""
    return np.linalg.norm(found - exact, axis=-1) / np.linalg.norm(exact)


def gradients(params, data):
    """By hand, by jax.grad, and by differences [steps, one-sided or central, parameters]."""
    theta, unflatten = ravel_pytree(params)
    loss = jax.jit(lambda theta: LOSS(unflatten(theta), data, None)[0])
    hand = ravel_pytree(by_hand(params, **data))[0]
    quotients = [differences(loss, theta, theta.dtype.type(step)) for step in STEPS]
    return map(np.float64, (hand, jax.grad(loss)(theta), quotients))


def main() -> int:
    script = start_script(__file__, __doc__)
    x_key, y_key, key = jax.random.split(jax.random.key(script.key), 3)
    data = {"x": jax.random.normal(x_key, (20, 3)), "y": jax.random.normal(y_key, (20, 1))}
    both, figures, errors, exact = (MODEL.init(key, data["x"]), data), {}, {}, None
    for bits in (64, 32):
        with jax.enable_x64(bits == 64):
            arrays = jax.tree.map(lambda leaf, bits=bits: np.asarray(leaf, f"float{bits}"), both)
            hand, automatic, quotients = gradients(*arrays)
        exact = hand if exact is None else exact  # that of 64 bits
        figures[f"jax.grad from the chain rule by hand, {bits} bits"] = distance(automatic, hand)
        for kind, error in zip(("one-sided", "central"), distance(quotients, exact).T, strict=True):
            errors[f"{kind}, {bits} bits"] = error
            figures[f"{kind} differences, {bits} bits, best (log10)"] = np.log10(error.min())
    for kind in ("one-sided", "central"):  # from a step of 0.01 to 0.1
        order = np.log10(errors[f"{kind}, 64 bits"][-3] / errors[f"{kind}, 64 bits"][-5])
        figures[f"order of {kind} differences in the step"] = order

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.plot(hand, "s", ms=9, mfc="none", label="chain rule by hand")
        left.plot(automatic, ".", label="jax.grad")
        left.plot(quotients[-9, 1], "x", label="central, step 0.0001")
        left.set(xlabel="parameter", ylabel="derivative of the loss", title="32 bits")
        for name, error in errors.items():
            right.loglog(STEPS, error, ".-", label=name)
        right.set(xlabel="step of the difference", ylabel="relative error of the gradient")
        right.set_ylim(1e-14, 10)
        left.legend()
        right.legend(loc="lower left")

    return script.finish(figures, plot, size=(10, 4))


if __name__ == "__main__":
    sys.exit(main())
