"""Sampling with a cache against the whole sequence read anew for each token."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.models import Transformer, sample

MODEL = Transformer(vocabulary=7, width=8, layers=2, heads=2, length=9)
PROMPT = np.array([[1, 2, 3], [4, 5, 0]], np.int32)
LENGTH, KEY = 6, jax.random.key(5)


@pytest.fixture(scope="module")
def params():
    drawn = jax.jit(MODEL.init)(jax.random.key(0), PROMPT)
    return jax.tree.map(lambda leaf: 3 * leaf, drawn)  # logits that are far from equal


@functools.cache
def whole():
    """Logits of sequences that are padded: no token attends to those after it."""
    apply = jax.jit(MODEL.apply)
    room = MODEL.length
    return lambda params, tokens: apply(
        params, jnp.pad(tokens, ((0, 0), (0, room - tokens.shape[1])))
    )[:, tokens.shape[1] - 1]


def anew(params, temperature, top_k=None):
    """The definition: read all tokens, draw one, begin again."""
    tokens = jnp.asarray(PROMPT)
    for position in range(PROMPT.shape[1], PROMPT.shape[1] + LENGTH):
        logits = np.array(whole()(params, tokens))
        if top_k is not None:
            logits[logits < np.sort(logits)[:, -top_k][:, None]] = -np.inf
        if temperature == 0:
            drawn = logits.argmax(axis=1)
        else:
            drawn = jax.random.categorical(jax.random.fold_in(KEY, position), logits / temperature)
        tokens = jnp.concatenate([tokens, jnp.asarray(drawn, jnp.int32)[:, None]], axis=1)
    return tokens


@pytest.mark.parametrize(
    ("temperature", "top_k"),
    [
        (0.0, None),
        (1.0, 2),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((0.5, None), (1.0, None), (3.0, 1))
        ),
    ],
)
def test_the_tokens_are_those_without_a_cache(params, temperature, top_k):
    found = sample(MODEL, params, PROMPT, KEY, LENGTH, temperature=temperature, top_k=top_k)
    np.testing.assert_array_equal(found, anew(params, temperature, top_k))
    assert found.dtype == jnp.int32


def test_the_logits_are_those_without_a_cache(params):
    """In parts of three and one tokens, and beyond the last position there are none."""
    tokens = jax.random.randint(jax.random.key(1), (2, 9), 0, 7)
    step = jax.jit(MODEL.apply)
    expected = step(params, tokens)
    cache, parts = MODEL.zero_cache(2), []
    for start, end in [(0, 3), (3, 6), *((at, at + 1) for at in range(6, 9))]:
        logits, cache = step(params, tokens[:, start:end], cache)
        parts.append(logits)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), expected, rtol=1e-4, atol=1e-5)
    assert int(cache.position) == 9
    assert jnp.isnan(step(params, tokens[:, :1], cache)[0]).all()


@pytest.mark.slow
def test_one_program_serves_keys_and_temperatures_and_maps(params):
    draw = lambda key, heat: sample(MODEL, params, PROMPT[:1], key, LENGTH, temperature=heat)
    keys, heats = jax.random.split(KEY, 3), jnp.array([0.0, 0.0, 5.0])
    found = jax.jit(jax.vmap(draw))(keys, heats)[:, 0]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], anew(params, 0.0)[0])
    assert (found[2] != found[0]).any()


@pytest.mark.slow
def test_a_hidden_token_outside_the_vocabulary_spoils_its_own_row_only(params):
    draw = jax.jit(lambda prompt: sample(MODEL, params, prompt, KEY, LENGTH, temperature=0.0))
    found = draw(jnp.asarray(PROMPT).at[0, 1].set(7))
    assert (found[0, 3:] == -1).all()
    np.testing.assert_array_equal(found[1], anew(params, 0.0)[1])


@pytest.mark.parametrize(
    ("error", "change", "message"),
    [
        (ValueError, {"length": 7}, "at most 9 tokens with the prompt.* got 3 . 7; cut the prompt"),
        (ValueError, {"length": 0}, "length: expected a whole number from 1"),
        (ValueError, {"temperature": -0.5}, "temperature: expected"),
        (ValueError, {"top_k": 0}, "top_k: expected a whole number from 1"),
        (ValueError, {"prompt": PROMPT[0]}, r"prompt: expected tokens \[batch, tokens\]"),
        (ValueError, {"prompt": PROMPT[:, :0]}, "at least one each"),
        (ValueError, {"prompt": PROMPT + 2}, "tokens from 0 to 6, got 0 to 7"),
        (TypeError, {"prompt": PROMPT / 2}, "prompt: expected tokens, integers, got float"),
        (TypeError, {"key": jax.random.PRNGKey(0)}, "key: expected a typed key"),
    ],
)
def test_what_cannot_be_continued_is_refused(error, change, message):
    good = {"prompt": PROMPT, "key": KEY, "length": LENGTH}
    with pytest.raises(error, match=message):
        sample(MODEL, {}, **good | change)
    with pytest.raises(TypeError, match="model: expected a Transformer, got NoneType"):
        sample(None, {}, **good)


def test_a_cache_of_another_batch_is_refused(params):
    with pytest.raises(ValueError, match="cache: expected one of this model for 2 sequences"):
        MODEL.apply(params, PROMPT, MODEL.zero_cache(3))


@pytest.mark.slow
def test_initialisers_by_name_are_scaled_on_the_residual_stream():
    """Glorot's uniform numbers end at sqrt(6 / (inputs + outputs)); one layer: 1 / sqrt(2)."""
    plain = Transformer(vocabulary=7, width=16, layers=1, heads=2, length=9)
    model = plain.clone(initialiser="glorot_uniform", activation="relu")
    drawn = jax.jit(model.init)(jax.random.key(0), PROMPT)["params"]
    kernels = {"attention_in": 1.0, "attention_out": 0.5**0.5, "mlp_in": 1.0, "mlp_out": 0.5**0.5}
    for name, scale in kernels.items():
        kernel = np.asarray(drawn["layer_0"][name]["kernel"])
        end = scale * np.sqrt(6 / sum(kernel.shape))
        assert 0.97 * end < np.abs(kernel).max() <= 1.0001 * end
        assert kernel.std() == pytest.approx(end / np.sqrt(3), rel=0.1)
    assert drawn["embedding"].std() == pytest.approx(16**-0.5, rel=0.2)
    for change in ({"initialiser": "ortogonal"}, {"activation": "rleu"}):
        with pytest.raises(ValueError, match="unknown .* nearest: (orthogonal|relu)"):
            jax.eval_shape(MODEL.clone(**change).init, jax.random.key(0), PROMPT)
