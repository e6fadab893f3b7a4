"""The sides of the comparisons of many fits: scipy, optimistix under vmap, by hand, and ours.

Each side takes responses [m, 64] and gives the parameters [m, 3] of y = b1 exp(-b2 x) + b3.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import curve_fit

ROWS = 64
X = np.linspace(0.0, 4.0, ROWS)
START = (1.0, 1.0, 0.0)


def responses(m, seed=0):
    """Noisy exponentials of heights 1 to 5, rates 0.5 to 2 and levels -1 to 1."""
    rng = np.random.default_rng(seed)
    b1, b2, b3 = rng.uniform([1.0, 0.5, -1.0], [5.0, 2.0, 1.0], (m, 3)).T[..., None]
    y = b1 * np.exp(-b2 * X)
    y += b3
    y += 0.05 * rng.standard_normal((m, ROWS))
    return y


def by_scipy(y, **options):
    """A loop of `scipy.optimize.curve_fit`; NaN where it raises."""
    curve = lambda x, b1, b2, b3: b1 * np.exp(-b2 * x) + b3  # noqa: E731
    found = np.full((len(y), 3), np.nan)
    for at, row in enumerate(y):
        try:
            found[at] = curve_fit(curve, X, row, START, **options)[0]
        except RuntimeError:
            continue
    return found


def slopes(x, b1, b2, b3):
    """Derivatives of the curve by its parameters, [64, 3]."""
    decay = np.exp(-b2 * x)
    return np.stack([decay, -b1 * x * decay, np.ones_like(x)], axis=1)


TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "maxfev": 10_000, "jac": slopes}
"""Scipy's options for the last digits: it then gets the derivatives, too."""


def by_optimistix(tolerance=1e-8):
    """`optimistix.least_squares` under vmap and jit, with its Levenberg-Marquardt."""
    import optimistix

    solver = optimistix.LevenbergMarquardt(rtol=tolerance, atol=tolerance)

    def residuals(b, row):
        return b[0] * jnp.exp(-b[1] * X) + b[2] - row

    def one(row):
        start = jnp.asarray(START)
        found = optimistix.least_squares(
            residuals, solver, start, args=row, max_steps=256, throw=False
        )
        return found.value

    solve = jax.jit(jax.vmap(one))

    def side(y):
        with jax.enable_x64(True):
            return np.asarray(solve(y))

    return side


def by_ours(**options):
    """`pj.estimate.least_squares_many`, with covariances and statuses."""
    import paramjax as pj

    def residuals(b, data):
        return b[0] * jnp.exp(-b[1] * data["x"]) + b[2] - data["y"]

    def estimates(y):
        data, axes = {"x": X, "y": y}, {"x": None, "y": 0}
        return pj.estimate.least_squares_many(residuals, list(START), data, in_axes=axes, **options)

    return estimates


def by_hand(chunk=1024, iterations=60):
    """The same method for this one model: derivatives and elimination written out, no statuses.

    A chunk goes through one loop to its end, each core has a thread, and nothing else is done.
    """

    def solve(y):
        with jax.enable_x64(True):
            return np.asarray(_hand_loop(y, np.int32(iterations)))

    def side(y):
        parts = [y[low : low + chunk] for low in range(0, len(y), chunk)]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return np.concatenate(list(pool.map(solve, parts)))

    return side


@jax.jit
def _hand_loop(y, iterations):
    ones = jnp.ones(len(y), y.dtype)
    start = tuple(b * ones for b in START)
    sums = tuple(0 * ones for _ in range(8))
    state = (start, start, sums, jnp.inf * ones, jnp.inf * ones, 1e-2 * ones, 0 * ones, ones > 0)
    loop = (state, jnp.int32(0))
    step = lambda loop: (_hand_step(loop[0], y), loop[1] + 1)  # noqa: E731
    going = lambda loop: loop[0][-1].any() & (loop[1] < iterations)  # noqa: E731
    (best, *_), _ = jax.lax.while_loop(going, step, loop)
    return jnp.stack(best, axis=1)


def _hand_sums(b, y):
    """J'J without the number of rows, J'r and the sum of squares, over rows."""
    x = jnp.asarray(X, y.dtype)[None]
    decay = jnp.exp(-b[1][:, None] * x)
    slope = -b[0][:, None] * x * decay
    r = b[0][:, None] * decay + b[2][:, None] - y
    total = lambda z: z.sum(axis=1)  # noqa: E731
    return (
        total(decay * decay), total(decay * slope), total(slope * slope), total(decay),
        total(slope), total(decay * r), total(slope * r), total(r),
    ), total(r * r)  # fmt: skip


def _hand_step(state, y):
    """Keep the better point, and eliminate the damped equations of three parameters."""
    best, trial, old, old_value, predicted, damping, length, going = state
    new, value = _hand_sums(trial, y)
    better = value <= old_value * (1 + 1e-15)
    pick = lambda a, b: jnp.where(going & better, a, b)  # noqa: E731
    best = tuple(map(pick, trial, best))
    a11, a12, a22, a13, a23, g1, g2, g3 = sums = tuple(map(pick, new, old))
    gain = (old_value - value) / predicted
    good = jnp.where(gain > 0.9, 1e-3, jnp.where(gain > 0.75, 0.1, 0.5))
    damping = jnp.maximum(
        damping * jnp.where(better, jnp.where(gain < 0.25, 2.0, good), 8.0), 1e-12
    )
    d1, d2, d3 = a11 * (1 + damping), a22 * (1 + damping), ROWS * (1 + damping)
    l21, l31 = a12 / d1, a13 / d1
    d2 = d2 - l21 * a12
    l32 = (a23 - l31 * a12) / d2
    d3 = d3 - l31 * a13 - l32 * l32 * d2
    z2 = -g2 + l21 * g1
    z3 = (-g3 + l31 * g1 - l32 * z2) / d3
    s2 = z2 / d2 - l32 * z3
    s1 = -g1 / d1 - l21 * s2 - l31 * z3
    curved = (
        s1 * (a11 * s1 + 2 * (a12 * s2 + a13 * z3)) + s2 * (a22 * s2 + 2 * a23 * z3)
        + ROWS * z3 * z3
    )  # fmt: skip
    predicted = -2 * (g1 * s1 + g2 * s2 + g3 * z3) - curved
    now, value = jnp.sqrt(curved), pick(value, old_value)
    ratio = now / length
    left = now * jnp.where(better & (ratio < 0.3), ratio, 1.0)
    arrived = (left <= 3e-10 * jnp.sqrt(value)) & (damping < 1e-2)
    trial = tuple(b + s for b, s in zip(best, (s1, s2, z3), strict=True))
    last = going & arrived
    best = tuple(jnp.where(last, t, b) for t, b in zip(trial, best, strict=True))
    length = jnp.where(better, now, length)
    return best, trial, sums, value, predicted, damping, length, going & ~arrived
