"""The cart and pole of the example against the equations as Gymnasium writes them."""

import math
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "policy_gradient.py"


def by_gymnasium(state, right):
    """CartPoleEnv.step of Gymnasium 1.0, Euler's method, one state."""
    x, x_dot, theta, theta_dot = state
    gravity, masscart, masspole, length, force_mag, tau = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    total_mass, polemass_length = masspole + masscart, masspole * length
    force = force_mag if right else -force_mag
    costheta, sintheta = math.cos(theta), math.sin(theta)
    temp = (force + polemass_length * theta_dot**2 * sintheta) / total_mass
    thetaacc = (gravity * sintheta - costheta * temp) / (
        length * (4.0 / 3.0 - masspole * costheta**2 / total_mass)
    )
    xacc = temp - polemass_length * thetaacc * costheta / total_mass
    return [
        x + tau * x_dot, x_dot + tau * xacc, theta + tau * theta_dot, theta_dot + tau * thetaacc
    ]  # fmt: skip


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_the_cart_moves_as_in_gymnasium(script):
    rng = np.random.default_rng(0)
    states, right = rng.normal(size=(6, 4)).astype(np.float32), rng.random(6) < 0.5
    expected = [by_gymnasium(*pair) for pair in zip(states.astype(float), right, strict=True)]
    np.testing.assert_allclose(script["move"](states, right), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_episodes_of_a_policy_that_always_pushes_to_the_right_end_as_in_gymnasium(script):
    hidden = {"kernel": jnp.zeros((4, 32)), "bias": jnp.zeros(32)}
    last = {"kernel": jnp.zeros((32, 1)), "bias": jnp.full(1, 50.0)}
    policy = {"params": {"Dense_0": hidden, "Dense_1": last}}
    played, right, stands = jax.jit(script["play"])(policy, jax.random.key(0))
    assert right.all()
    state, steps = list(np.asarray(played[0, 0], float)), 0
    while abs(state[0]) <= 2.4 and abs(state[2]) <= 12 * 2 * math.pi / 360:
        np.testing.assert_allclose(played[steps, 0], state, rtol=1e-3, atol=1e-4)
        state, steps = by_gymnasium(state, True), steps + 1
    assert int(stands[:, 0].sum()) == steps
