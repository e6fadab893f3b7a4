"""Single layers inside a scan, each in several forms: cases for `convolutions.py`."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from convolutions_sides import BATCH, pool_by_reshape, pool_by_slices, pool_by_window, seconds
from jax import lax

from paramjax.models import LSTM, max_pool
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import convolve_as_matmul, convolve_by_lax, window
from paramjax.models._dense import product


def repeated(function, *operands, times):
    """A compiled loop of a function whose first operand changes with every pass."""
    times *= 1 if jax.default_backend() == "cpu" else 100  # a call's start is not to count

    def body(operands, previous):
        # some of the last result, so that no pass can be left out or moved out of the loop
        small = 1e-30 * jax.tree.leaves(previous)[0].ravel()[0].astype(jnp.float32)
        return function(operands[0] + small, *operands[1:])

    def loop(*operands):
        shapes = jax.eval_shape(function, *operands)
        start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        return lax.scan(lambda last, _: (body(operands, last), None), start, length=times)[0]

    compiled = functools.partial(jax.jit(loop).lower(*operands).compile(), *operands)
    seconds(compiled)
    return lambda: seconds(compiled) / times


def backward(function):
    """The vector-Jacobian product in all operands: (gradient of the output, *operands)."""
    return lambda g, *operands: jax.vjp(function, *operands)[1](g)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def pooling_cases():
    """Bias, ReLU and pooling of the first layer, backward."""
    x, bias, g = normal(0, BATCH, 28, 28, 32), normal(1, 32), normal(2, BATCH, 14, 14, 32)
    forms = {
        "max_pool of paramjax": max_pool,
        "strided slices": pool_by_slices,
        "reshape and maximum": pool_by_reshape,
        "reduce_window": pool_by_window,
    }
    for name, pool in forms.items():
        layer = backward(lambda x, b, pool=pool: pool(nn.relu(x + b.reshape(1, 1, 1, -1))))
        yield name, repeated(layer, g, x, bias, times=10)


def convolution_cases():
    """The second layer's three products, each alone."""
    x, kernel = normal(0, BATCH, 14, 14, 32), normal(1, 3, 3, 32, 64)
    g = normal(2, BATCH, 14, 14, 64)
    forms = {"paramjax": convolve, "matmul": convolve_as_matmul, "lax": convolve_by_lax}
    for name, form in forms.items():
        form = functools.partial(form, window=window((3, 3), ((1, 1), (1, 1))))
        to_images = functools.partial(_to_images, form, x)
        to_kernel = functools.partial(_to_kernel, form, kernel)
        yield f"forward, {name}", repeated(form, x, kernel, times=5)
        yield f"input gradient, {name}", repeated(to_images, g, kernel, times=5)
        times = 2 if name == "lax" else 5  # it takes a second on a CPU; a scan of 1 is no loop
        yield f"kernel gradient, {name}", repeated(to_kernel, g, x, times=times)


def depthwise_cases():
    """64 channels, each with a kernel of its own."""
    x, kernel, g = (normal(0, 32, 14, 14, 64), normal(1, 3, 3, 1, 64), normal(2, 32, 14, 14, 64))
    moves = window((3, 3), ((1, 1), (1, 1)), groups=64)
    for name, form in {"paramjax": convolve, "lax": convolve_by_lax}.items():
        form = functools.partial(form, window=moves)
        yield f"forward, {name}", repeated(form, x, kernel, times=2)
        yield (
            f"kernel gradient, {name}",
            repeated(functools.partial(_to_kernel, form, kernel), g, x, times=2),
        )


def _to_images(form, x, g, kernel):
    return jax.vjp(lambda x: form(x, kernel), x)[1](g)


def _to_kernel(form, kernel, g, x):
    return jax.vjp(lambda k: form(x, k), kernel)[1](g)


def dense_cases():
    """The layer before the logits, forward and backward, one run and 16 by vmap."""
    for inputs, outputs in ((128, 10), (512, 10), (512, 2)):
        x, kernel = normal(0, BATCH, inputs), normal(1, inputs, outputs)
        g, many = normal(2, BATCH, outputs), normal(3, 16, inputs, outputs)
        for name, form in {"paramjax": product, "flax": jnp.matmul}.items():
            both = functools.partial(_both_ways, form)
            label = f"{inputs} -> {outputs}, {name}"
            yield label, repeated(both, g, x, kernel, times=200)
            together = jax.vmap(both, (None, None, 0))
            yield f"{label}, 16 runs by vmap", repeated(together, g, x, many, times=20)


def _both_ways(function, g, *operands):
    out, back = jax.vjp(function, *operands)
    return out, back(g)


def embedding_cases():
    """Look-up and gradient of a table."""
    for vocabulary, count in ((65, 512), (1000, 2048)):
        table, g = normal(0, vocabulary, 64), normal(1, count, 64)
        tokens = jax.random.randint(jax.random.key(2), (count,), 0, vocabulary)
        label = f"{vocabulary} tokens, {count} places"
        looks = {
            "gather, scatter-add": lambda t, i=tokens: t[i],
            "one-hot matmuls": lambda t, i=tokens, v=vocabulary: jax.nn.one_hot(i, v) @ t,
        }
        for name, look in looks.items():
            both = functools.partial(_both_ways, look)
            yield f"{name}: {label}", repeated(both, g, table, times=20)


def lstm_cases():
    """128 features over 64 steps, batch 32, forward and backward, one run and four by vmap."""
    x, g = normal(0, 32, 64, 128), normal(1, 32, 64, 128)
    models = {
        "flax OptimizedLSTMCell": nn.RNN(nn.OptimizedLSTMCell(128)),
        "paramjax, weight gradients after the scan": LSTM(128),
    }
    params = models["flax OptimizedLSTMCell"].init(jax.random.key(0), x)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), params)
    for name, model in models.items():
        layer = backward(model.apply)
        yield name, repeated(layer, g, params, x, times=4)
        together = jax.vmap(layer, (None, 0, None))
        yield f"{name}, 4 runs by vmap", repeated(together, g, many, x, times=2)


def random_cases():
    """Masks of 128 x 1024 that keep nine tenths, and orders of 60,000 rows."""
    shape = (128, 1024)

    def halves(key):
        bits = jax.random.bits(key, (shape[0], shape[1] // 2), jnp.uint32)
        return jnp.concatenate([bits & 0xFFFF, bits >> 16], axis=-1) >= round(0.1 * 2**16)

    def quarters(key):
        bits = jax.random.bits(key, (shape[0], shape[1] // 4), jnp.uint32)
        return jnp.concatenate([bits >> s & 0xFF for s in (0, 8, 16, 24)], axis=-1) >= 26

    forms = {
        "mask, bernoulli": lambda key: jax.random.bernoulli(key, 0.9, shape),
        "mask, 16 bits each (rate exact to 1e-5)": halves,
        "mask, 8 bits each (rate exact to 2e-3)": quarters,
        "order, jax.random.permutation": lambda key: jax.random.permutation(key, 60_000),
        "order, one sort": lambda key: jnp.argsort(jax.random.bits(key, (60_000,))),
    }
    for name, draw in forms.items():
        times = 20 if "mask" in name else 4
        yield name, repeated(functools.partial(_drawn, draw), jnp.float32(1), times=times)


def _drawn(draw, x):
    """A draw whose key depends on the number that `repeated` changes."""
    key = jax.random.fold_in(jax.random.key(0), lax.bitcast_convert_type(x, jnp.int32))
    return draw(key).astype(jnp.float32)


LAYERS = {
    "convolution 32 -> 64 on 14x14": convolution_cases,
    "depthwise convolution of 64 channels, batch 32": depthwise_cases,
    "bias, ReLU, 2x2 pooling, backward": pooling_cases,
    "narrow dense layer, batch 128, forward and backward": dense_cases,
    "embedding of width 64": embedding_cases,
    "LSTM, forward and backward": lstm_cases,
    "random numbers": random_cases,
}
