import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from scipy.special import erf, softmax

from paramjax.models import Transformer

TINY = Transformer(vocabulary=7, width=8, layers=1, heads=2, length=6)
DEEP = Transformer(vocabulary=7, width=8, layers=2, heads=2, length=6, dropout=0.5)
tiny, deep = jax.jit(TINY.apply), jax.jit(DEEP.apply)


@pytest.fixture(scope="module")
def tokens():
    return jax.random.randint(jax.random.key(1), (3, 6), 0, 7)


@pytest.fixture(scope="module")
def tiny_params(tokens):
    return jittered(jax.jit(TINY.init)(jax.random.key(0), tokens))


@pytest.fixture(scope="module")
def deep_params(tokens):
    return jax.jit(DEEP.init)(jax.random.key(0), tokens)


def jittered(params):
    """Parameters without zeros and ones, so that every bias and scale counts."""
    leaves, treedef = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noise = [0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.map(jnp.add, params, jax.tree.unflatten(treedef, noise))


def norm_by_hand(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * p["scale"] + p["bias"]


def dense_by_hand(p, x):
    return x @ p["kernel"] + p["bias"]


def attention_by_hand(projected, heads):
    """One sequence and one head at a time, each position over those up to itself."""
    batch, length, size = projected.shape
    width = size // 3
    d = width // heads
    out = np.zeros((batch, length, width))
    for b in range(batch):
        for h in range(heads):
            q, k, v = (projected[b, :, i * width + h * d :][:, :d] for i in range(3))
            for t in range(length):
                weights = softmax(k[: t + 1] @ q[t] / np.sqrt(d))
                out[b, t, h * d : (h + 1) * d] = weights @ v[: t + 1]
    return out


def test_one_layer_equals_numpy(tokens, tiny_params):
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tiny_params["params"])
    layer = p["layer_0"]
    x = p["embedding"][np.asarray(tokens)] + p["positions"]
    projected = dense_by_hand(layer["attention_in"], norm_by_hand(layer["attention_norm"], x))
    x = x + dense_by_hand(layer["attention_out"], attention_by_hand(projected, heads=2))
    hidden = dense_by_hand(layer["mlp_in"], norm_by_hand(layer["mlp_norm"], x))
    # the exact GELU (Hendrycks and Gimpel, 2016); flax takes their tanh form, within 1e-3
    gelu = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    tanh_form = np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3))
    np.testing.assert_allclose(hidden * (1 + tanh_form) / 2, gelu, atol=1e-3)
    x = x + dense_by_hand(layer["mlp_out"], hidden * (1 + tanh_form) / 2)
    logits = norm_by_hand(p["norm"], x) @ p["embedding"].T
    np.testing.assert_allclose(tiny(tiny_params, tokens), logits, rtol=1e-4, atol=1e-5)


def test_logits_depend_on_no_later_token(tokens, deep_params):
    other = tokens.at[:, 3].set((tokens[:, 3] + 1) % 7)
    before, after = deep(deep_params, tokens), deep(deep_params, other)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (jnp.abs(before[:, 3:] - after[:, 3:]).max(axis=-1) > 1e-6).all()
    shorter = deep(deep_params, tokens[:, :2])
    np.testing.assert_allclose(shorter, before[:, :2], rtol=1e-5, atol=1e-6)


def test_a_token_outside_gives_nan_from_its_position_on(tokens, deep_params):
    good = deep(deep_params, tokens)
    for wrong in (-1, 7, 2**31 - 1):
        logits = deep(deep_params, tokens.at[1, 2].set(wrong))
        assert jnp.isnan(logits[1, 2:]).all()
        np.testing.assert_array_equal(logits[1, :2], good[1, :2])
        np.testing.assert_array_equal(logits[::2], good[::2])


def test_padding_that_the_loss_masks_leaves_the_gradient_of_the_rest(tokens, tiny_params):
    def loss(params, tokens):
        cross_entropy = optax.losses.softmax_cross_entropy_with_integer_labels
        losses = cross_entropy(TINY.apply(params, tokens[:, :-1]), tokens[:, 1:] % 7)
        return jnp.where(jnp.arange(5)[None] < 3, losses, 0.0).sum()

    grad = jax.jit(jax.grad(loss))
    grads = grad(tiny_params, tokens.at[:, 4:].set(-1))
    chex.assert_trees_all_close(grads, grad(tiny_params, tokens), rtol=1e-6)
    chex.assert_tree_all_finite(grads)


def test_unsigned_tokens_are_taken_as_they_are_and_half_precision_stays(tokens, tiny_params):
    logits = tiny(tiny_params, tokens)
    np.testing.assert_array_equal(tiny(tiny_params, tokens.astype(jnp.uint8)), logits)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), tiny_params)
    exact = tiny(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), half), tokens)
    logits = tiny(half, tokens)
    assert logits.dtype == jnp.bfloat16
    # bfloat16 keeps 8 bits: 0.4 % a number, times the depth
    np.testing.assert_allclose(logits.astype(jnp.float32), exact, atol=0.06, rtol=0.06)


def test_size_and_first_values(deep_params):
    p = deep_params["params"]
    width, vocabulary, length, layers = 8, 7, 6, 2
    size = sum(leaf.size for leaf in jax.tree.leaves(p))
    assert size == (vocabulary + length + 2) * width + layers * (12 * width**2 + 13 * width)
    kernels = [leaf for leaf in jax.tree.leaves(p) if leaf.ndim == 2]
    # slices of one draw that overlapped would repeat a number, up to the scale
    scaled = jnp.concatenate([(leaf / leaf.std()).ravel() for leaf in kernels])
    correlation = np.corrcoef(scaled[:-1], scaled[1:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(scaled.size)


def test_kernels_have_the_stated_deviation(key):
    model = Transformer(vocabulary=500, width=64, layers=1, heads=4, length=500)
    p = jax.jit(model.init)(key, jnp.zeros((1, 2), jnp.int32))["params"]
    inputs = {"attention_in": 64, "attention_out": 2 * 64, "mlp_in": 64, "mlp_out": 2 * 256}
    # 4,096 draws at least: the relative error of a deviation is 1 / sqrt(2 n), 0.011
    for name, size in inputs.items():
        np.testing.assert_allclose(p["layer_0"][name]["kernel"].std(), size**-0.5, rtol=0.05)
    np.testing.assert_allclose(p["embedding"].std(), 64**-0.5, rtol=0.05)
    np.testing.assert_allclose(p["positions"].std(), 0.02, rtol=0.05)
    values = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(p) if leaf.ndim == 2])
    assert len(np.unique(values)) > 0.99 * values.size


def test_dropout_needs_a_key_only_in_training(tokens, deep_params):
    plain = deep(deep_params, tokens)
    without = jax.jit(functools.partial(DEEP.clone(dropout=0.0).apply, train=True))
    np.testing.assert_array_equal(without(deep_params, tokens), plain)
    training = jax.jit(functools.partial(DEEP.apply, train=True))
    with pytest.raises(Exception, match='needs PRNG for "dropout"'):
        training(deep_params, tokens)
    first, again, other = (
        training(deep_params, tokens, rngs={"dropout": jax.random.key(seed)}) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != plain).any()


def test_what_is_refused(key):
    good = jnp.zeros((1, 6), int)
    assert_refused(
        lambda tokens=good, **change: TINY.clone(**change).init(key, tokens),
        ({"heads": 3}, ValueError, "width: expected a multiple of heads, got 8 for 3 head"),
        ({"layers": 0}, ValueError, "layers: expected a whole number from 1"),
        ({"vocabulary": 2.5}, TypeError, "vocabulary: expected a whole number"),
        ({"dropout": 1.0}, ValueError, "dropout: expected a number from 0, below 1, got 1"),
        (
            jnp.zeros((1, 7), int),
            ValueError,
            r"a length from 1 to 6, got shape \(1, 7\); cut the sequences",
        ),
        (jnp.zeros(6, int), ValueError, r"tokens: expected \[batch, length\] .* got shape \(6,\)"),
        (jnp.zeros((1, 0), int), ValueError, r"got shape \(1, 0\)"),
        (jnp.zeros((1, 6)), TypeError, "tokens: expected integers, got float32"),
    )
