"""A monitor: the gradient noise scale, which says what batch size still pays."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rate, check_rows, describe
from paramjax._types import Array, Metrics, Params
from paramjax.step._evaluation import gradient_point
from paramjax.step._keys import used_again
from paramjax.step._norms import infinite, total_square, widest_float
from paramjax.step.hooks._hook import Hook, Observation


class NoiseScaleState(NamedTuple):
    """State of `noise_scale`.

    Attributes:
        noise: Running average of the estimates of the trace of the covariance of one
            example's gradient, float32[], float64[] under x64; 0 before the first.
        signal: Running average of the estimates of the true gradient's squared norm,
            of the same dtype; 0 before the first.
    """

    noise: Array
    signal: Array


def noise_scale(every: int = 10, *, fraction: float = 0.25, decay: float | Array = 0.95) -> Hook:
    r"""Report the gradient noise scale as the metric `noise_scale`.

    $$B = \operatorname{tr}\Sigma / |G|^2$$
    for the true gradient G and the covariance of one example's gradient (McCandlish et
    al., 2018, eq. 2.9): batches much smaller than B are mostly noise, much larger ones mostly
    waste. Every few steps the gradient of the first b rows of the batch is compared with
    that of all its B rows (appendix A.1):
    $$|G|^2 \approx \frac{B |g_B|^2 - b |g_b|^2}{B - b},\quad
      \operatorname{tr}\Sigma \approx \frac{|g_b|^2 - |g_B|^2}{1/b - 1/B}.$$
    Both estimates are unbiased and noisy, so each is averaged exponentially before the
    ratio is taken; the correction for the averages' start is one factor for both and
    cancels. An estimate that is not finite is left out.

    The metric is 0 before the first measurement, keeps its value between two, and is
    infinite where the average for $|G|^2$ is not positive, because noise hides the gradient.
    It is negative where the average for the trace is negative: too few were averaged yet.

    The rows must be in random order, as `fit` with a batch size draws them. Noise that an
    estimator adds (for privacy, random directions) does not shrink with the rows and
    falsifies the estimate. The extra gradient is computed only in the steps that measure, by
    `lax.cond`; a `vmap` over states with their own step counters computes it in every step.

    Args:
        every: Steps between two measurements; the first is at step 0.
        fraction: Share of the rows in the small batch, in (0, 1); rounded down to whole rows,
            at least one.
        decay: The weight of the past, in [0, 1); about 1 / (1 - decay) measurements count.

    Returns:
        A hook.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range; at the first trace, if the trainer has no
            single gradient, or the batch has a single row or cannot be split by rows, or the
            estimator cannot split the small batch.

    Example:
        >>> import optax
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2) / 2, {})
        >>> hooks = [pj.hooks.noise_scale(fraction=0.5)]
        >>> trainer = pj.train_step(loss_fn, optax.sgd(0.1), hooks)
        >>> state = trainer.init(jax.random.key(0), jnp.float32(0.0))
        >>> _, metrics = trainer.step(state, jnp.array([4.0, 2.0]))  # gradients -4 and -3
        >>> float(metrics["noise_scale"])  # (16 - 9) / (1 - 1/2) over (2 * 9 - 16) / (2 - 1)
        7.0000
    """
    check_count("noise_scale: every", every)
    check_rate("noise_scale: decay", decay, high=1.0)
    _check_fraction(fraction)

    def init(params: Params) -> NoiseScaleState:
        del params
        zero = jnp.zeros([], widest_float())
        return NoiseScaleState(zero, zero)

    def observe(own: NoiseScaleState, observation: Observation) -> tuple[NoiseScaleState, Metrics]:
        rows = check_rows("noise_scale", observation.batch)
        if rows < 2:
            raise ValueError(
                f"noise_scale: expected a batch of at least 2 rows, got {rows}; one row does not "
                "show how much rows differ"
            )
        small = max(1, int(rows * fraction))

        def measure(own: NoiseScaleState) -> NoiseScaleState:
            noise, signal = _estimates(observation, small, rows)
            past = jnp.asarray(decay, own.noise.dtype)
            averaged = NoiseScaleState(
                past * own.noise + (1 - past) * noise, past * own.signal + (1 - past) * signal
            )
            finite = jnp.isfinite(noise) & jnp.isfinite(signal)
            own = jax.tree.map(lambda a, b: jnp.where(finite, a, b), averaged, own)
            return own

        due = observation.state.step % every == 0
        own = jax.lax.cond(due, measure, lambda own: own, own)
        return own, {"noise_scale": _ratio(own)}

    return Hook(init, observe=observe, name="noise_scale")


def _check_fraction(fraction: float) -> None:
    if isinstance(fraction, bool) or not isinstance(fraction, int | float):
        raise TypeError(
            f"noise_scale: fraction: expected a number in (0, 1), got {describe(fraction)}; it "
            "sets a shape, so it cannot be traced"
        )
    if not 0 < fraction < 1:
        raise ValueError(f"noise_scale: fraction: expected a number in (0, 1), got {fraction}")


def _estimates(observation: Observation, small: int, rows: int) -> tuple[Array, Array]:
    """Unbiased estimates of the noise and of the signal."""
    state, grad_fn = observation.state, observation.grad_fn
    part = jax.tree.map(lambda leaf: leaf[:small], observation.batch)
    params, key = gradient_point(state.params), used_again(observation.key)
    grads = grad_fn(params, *grad_fn.model_state_args(state.model_state), part, key)[0]
    of_part = total_square(grad_fn.mean_gradient(grads))
    of_all = total_square(grad_fn.mean_gradient(observation.grads))
    noise = (of_part - of_all) / (1 / small - 1 / rows)
    signal = (rows * of_all - small * of_part) / (rows - small)
    return noise, signal


def _ratio(own: NoiseScaleState) -> Array:
    positive = own.signal > 0
    hidden = jnp.where(own.noise > 0, infinite(), 0.0)
    return jnp.where(positive, own.noise / jnp.where(positive, own.signal, 1.0), hidden)
