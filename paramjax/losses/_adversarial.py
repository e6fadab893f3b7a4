"""Pairs of losses of a generator and a discriminator, and the two players that descend on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_scalar
from paramjax._types import Array, Key, LossFn, Metrics, ModelState, Params
from paramjax.losses._reconstruction import rows_of
from paramjax.losses._supervised import _mean


class AdversarialPair(NamedTuple):
    """The two losses of a game between a generator and a discriminator, per example.

    Attributes:
        discriminator: `(real_logits, fake_logits) -> [batch]`, both [batch].
        generator: `(fake_logits) -> [batch]`.

    Example:
        >>> real, fake = jnp.array([2.0]), jnp.array([-2.0])  # told apart
        >>> for pair in (minimax_pair, nonsaturating_pair):
        ...     float(pair.discriminator(real, fake)[0]), float(pair.generator(fake)[0])
        (0.2539, -0.1269)
        (0.2539, 2.1269)
        >>> for pair in (least_squares_pair, hinge_pair, wasserstein_pair):
        ...     float(pair.discriminator(real, fake)[0]), float(pair.generator(fake)[0])
        (2.5, 4.5)
        (0.0, 2.0)
        (-4.0, 2.0)
    """

    discriminator: Callable[[Array, Array], Array]
    generator: Callable[[Array], Array]


def _cross_entropy(real: Array, fake: Array) -> Array:
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


minimax_pair = AdversarialPair(_cross_entropy, lambda fake: -jax.nn.softplus(fake))
r"""$-\log D(x) - \log(1 - D(G(z)))$ and $\log(1 - D(G(z)))$ with $D = \sigma(\text{logit})$: the
zero-sum game of Goodfellow et al. (2014, Generative adversarial nets, eq. 1), whose generator
learns slowly while the discriminator wins."""

nonsaturating_pair = AdversarialPair(_cross_entropy, lambda fake: jax.nn.softplus(-fake))
r"""The discriminator of `minimax_pair`, and $-\log D(G(z))$ for the generator (Goodfellow et al.,
2014, section 3), whose gradient does not vanish while the discriminator wins."""

least_squares_pair = AdversarialPair(
    lambda real, fake: 0.5 * (jnp.square(real - 1) + jnp.square(fake)),
    lambda fake: 0.5 * jnp.square(fake - 1),
)
r"""$\tfrac12 (D(x) - 1)^2 + \tfrac12 D(G(z))^2$ and $\tfrac12 (D(G(z)) - 1)^2$ (Mao et al., 2017,
Least squares generative adversarial networks, eq. 9), with the outputs themselves for D."""

hinge_pair = AdversarialPair(
    lambda real, fake: jax.nn.relu(1 - real) + jax.nn.relu(1 + fake), lambda fake: -fake
)
r"""$\max(0, 1 - D(x)) + \max(0, 1 + D(G(z)))$ and $-D(G(z))$ (Lim and Ye, 2017, Geometric GAN)."""

wasserstein_pair = AdversarialPair(lambda real, fake: fake - real, lambda fake: -fake)
r"""$D(G(z)) - D(x)$ and $-D(G(z))$ (Arjovsky, Chintala and Bottou, 2017, Wasserstein GAN), for a
discriminator of slope 1 at most: take a gradient penalty with it."""


def gradient_penalty(
    discriminate: Callable[[Array], Array], real: Array, fake: Array, key: Key
) -> Array:
    r"""$$\bigl(\lVert \nabla_{\hat x} D(\hat x_i) \rVert_2 - 1\bigr)^2, \qquad
      \hat x_i = u_i x_i + (1 - u_i) G(z_i), \quad u_i \sim U(0, 1)$$
    (Gulrajani et al., 2017, Improved training of Wasserstein GANs, eq. 3).

    Args:
        discriminate: `(x [batch, ...]) -> logits [batch]` or [batch, 1], each of its own row only,
            so without batch statistics.
        real: [batch, ...].
        fake: The same shape.
        key: Draws the points between.

    Returns:
        [batch].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> x = jnp.ones((1, 2))
        >>> slope = lambda x: x @ jnp.array([3.0, 4.0])
        >>> gradient_penalty(slope, x, -x, jax.random.key(0)).tolist()
        [16.0]
    """
    _check_shapes(real, fake)
    share = jax.random.uniform(key, (real.shape[0],) + (1,) * (real.ndim - 1), real.dtype)
    between = share * real + (1 - share) * fake
    slopes = jax.grad(lambda x: discriminate(x).sum())(between)
    squares = jnp.square(slopes).sum(axis=tuple(range(1, slopes.ndim)))
    # the root has no finite slope at 0, where a discriminator of ReLU is flat
    flat = squares == 0
    norms = jnp.where(flat, 0.0, jnp.sqrt(jnp.where(flat, 1.0, squares)))
    return jnp.square(norms - 1)


def adversarial(
    generate: Callable[..., Any],
    discriminate: Callable[..., Any],
    latent: int | Callable[[Key, int], Array],
    pair: AdversarialPair = nonsaturating_pair,
    *,
    penalty: float | Array = 0.0,
    stateful: bool = False,
) -> dict[str, LossFn]:
    r"""The losses of both players, for `trainers.alternating` or `trainers.simultaneous`.

    The parameters are `{"discriminator": ..., "generator": ...}`, and so is the model state where
    there is one. Each player draws as many fakes as the batch has rows.

    Args:
        generate: `(params, z) -> fakes [batch, ...]`; stateful, `(params, model_state, z) ->
            (fakes, model_state)`.
        discriminate: `(params, x) -> logits`, [batch] or [batch, 1]; stateful likewise. Real rows
            and fakes go through it one after the other, so that batch statistics are of one kind.
        latent: Normal numbers from which a fake is made, or `(key, rows) -> z` for others.
        pair: What each player minimises.
        penalty: Weight of `gradient_penalty` in the discriminator's loss, from 0; 10 is usual for
            `wasserstein_pair`.
        stateful: Whether both have model state (`{}` for one that has none). Each player's loss
            renews its own and leaves the other's.

    Returns:
        Player -> loss, the discriminator first, as in Algorithm 1 of Goodfellow et al. (2014). A
        batch is x [batch, ...], or a dict with `x` and, if rows have weights, `weight`. Metrics
        are `real`, `fake` (mean logits) and `penalty` if there is one.

    Raises:
        TypeError: If a player is not a function, the pair no AdversarialPair, or a number is none.
        ValueError: If `latent` is less than 1 or the penalty negative; at the first call, if there
            is not one logit a row, or fakes have another shape than rows.

    Example:
        >>> import optax, paramjax as pj
        >>> losses = adversarial(lambda w, z: w + z, lambda w, x: x @ w, latent=1)
        >>> tx = optax.sgd(0.1)
        >>> trainer = pj.trainers.alternating(losses, {"discriminator": tx, "generator": tx})
        >>> start = {"discriminator": jnp.zeros(1), "generator": jnp.zeros(())}
        >>> state = trainer.init(jax.random.key(0), start)
        >>> state, metrics = trainer.step(state, jnp.full((8, 1), 3.0))
        >>> float(metrics["discriminator/loss"])  # log 4, as it knows nothing yet
        1.3863
    """
    _check_arguments(generate, discriminate, latent, pair, penalty)
    draw = latent if callable(latent) else lambda key, rows: jax.random.normal(key, (rows, latent))
    players = {"generator": generate, "discriminator": discriminate}

    def run(name: str, params: Params, state: Any, x: Array) -> tuple[Any, Any]:
        if stateful:
            output, own = players[name](params[name], state[name], x)
            return output, {**state, name: own}
        return players[name](params[name], x), state

    def judge(params: Params, state: Any, x: Array) -> tuple[Array, Any]:
        logits, state = run("discriminator", params, state, x)
        return _one_each(logits, x), state

    def discriminator_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        *given, batch, key = rest
        x, weight = rows_of(batch, "adversarial")
        draw_key, penalty_key = jax.random.split(key)
        fake, _ = run("generator", params, _state(given), draw(draw_key, x.shape[0]))
        fake = jax.lax.stop_gradient(fake)
        _check_shapes(x, fake)
        real_logits, state = judge(params, _state(given), x)
        fake_logits, state = judge(params, state, fake)
        loss = _mean(pair.discriminator(real_logits, fake_logits), weight)
        metrics = {"real": _mean(real_logits, weight), "fake": fake_logits.mean()}
        if isinstance(penalty, jax.Array) or penalty != 0:
            slopes = gradient_penalty(
                lambda x: judge(params, _state(given), x)[0], x, fake, penalty_key
            )
            metrics["penalty"] = _mean(slopes, weight)
            loss = loss + penalty * metrics["penalty"]
        return _packed(loss, state, metrics, stateful=stateful)

    def generator_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        *given, batch, key = rest
        x, weight = rows_of(batch, "adversarial")
        fake, state = run("generator", params, _state(given), draw(key, x.shape[0]))
        logits, _ = judge(params, state, fake)
        loss = _mean(pair.generator(logits), weight)
        return _packed(loss, state, {"fake": logits.mean()}, stateful=stateful)

    return {"discriminator": discriminator_loss, "generator": generator_loss}


def _state(given: list[ModelState]) -> ModelState:
    """The model state of a call, () for none."""
    return given[0] if given else ()


def _packed(
    loss: Array, state: ModelState, metrics: Metrics, *, stateful: bool
) -> tuple[Array, Any]:
    """What a LossFn returns."""
    return (loss, (state, metrics)) if stateful else (loss, metrics)


def _one_each(logits: Array, x: Array) -> Array:
    """Logits as [batch]."""
    if logits.shape not in ((x.shape[0],), (x.shape[0], 1)):
        raise ValueError(
            f"adversarial: expected one logit for each of {x.shape[0]} rows, got shape "
            f"{logits.shape}"
        )
    return logits.reshape(-1)


def _check_shapes(real: Array, fake: Array) -> None:
    if real.shape != fake.shape:
        raise ValueError(
            f"adversarial: expected fakes of the shape of the rows, {real.shape}, got "
            f"{fake.shape}; give the generator the shape of one row"
        )


def _check_arguments(
    generate: Any, discriminate: Any, latent: Any, pair: Any, penalty: Any
) -> None:
    for name, function in (("generate", generate), ("discriminate", discriminate)):
        if not callable(function):
            raise TypeError(
                f"adversarial: {name}: expected a function, got {type(function).__name__}"
            )
    if not isinstance(pair, AdversarialPair):
        raise TypeError(
            "adversarial: pair: expected an AdversarialPair such as nonsaturating_pair, got "
            f"{type(pair).__name__}"
        )
    if not callable(latent):
        check_count("adversarial: latent", latent)
    check_scalar("adversarial: penalty", penalty)
