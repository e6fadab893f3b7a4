"""Models of texts: truth is the formula, written out in numpy, text by text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_close

from paramjax.models import GRU, LSTM, TextCNN, TextRNN, TokenRNN

TOKENS = np.array([[3, 1, 4, 1], [5, 0, 6, 0], [2, 0, 0, 0], [0, 0, 0, 0]], np.int32)
COUNTS = [4, 3, 1, 0]
CNN = TextCNN(7, 3, embedding=2, widths=(1, 2, 3), channels=4)
RNN = TextRNN(7, 3, embedding=2, features=4, layer="gru")


def drawn(model, key, sizes=TOKENS):
    """Parameters, all different from zero."""
    return jax.tree.map(lambda p: p + 0.1, jax.jit(model.init)(key, sizes))


def cnn_by_hand(params, tokens):
    strongest = []
    for width in CNN.widths:
        conv = params[f"conv_{width}"]
        x = params["embedding"][tokens]
        x = np.concatenate([x, np.zeros((max(0, width - len(x)), 2))])
        windows = [x[t : t + width] for t in range(len(x) - width + 1)]
        every = [np.einsum("kc,kcf->f", w, conv["kernel"]) + conv["bias"] for w in windows]
        strongest.append(np.maximum(every, 0).max(axis=0))
    return np.concatenate(strongest) @ params["head"]["kernel"] + params["head"]["bias"]


def test_text_cnn_is_the_formula_text_by_text(key):
    params = drawn(CNN, key)
    by_hand = jax.tree.map(np.float64, params["params"])
    rows = [cnn_by_hand(by_hand, row[:count]) for row, count in zip(TOKENS, COUNTS, strict=True)]
    assert_close(jax.jit(CNN.apply)(params, TOKENS), np.stack(rows))


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_text_rnn_is_embeddings_a_layer_and_a_dense_one(key, pooling):
    model = RNN.copy(pooling=pooling)
    params = drawn(model, key)
    own = params["params"]
    head = jax.tree.map(np.asarray, own["head"])
    states = jax.jit(GRU(4).apply)({"params": own["gru"]}, own["embedding"][TOKENS])
    over = {"last": lambda states: states[-1], "mean": lambda states: states.mean(axis=0)}[pooling]
    rows = [over(states[i, :count]) if count else np.zeros(4) for i, count in enumerate(COUNTS)]
    expected = np.stack(rows) @ head["kernel"] + head["bias"]
    assert_close(jax.jit(model.apply)(params, TOKENS), expected)


@pytest.mark.parametrize(
    "model",
    [CNN, RNN, pytest.param(RNN.copy(pooling="mean", layer="simple"), marks=pytest.mark.slow)],
)
def test_padding_changes_nothing_and_unknown_tokens_are_lost(key, model):
    """More of it, or anything beyond the lengths, in values and gradients."""
    params = drawn(model, key)
    lengths, run = np.array([4, 3, 1, 0]), jax.jit(model.apply)

    def total(params, tokens, lengths):
        logits = model.apply(params, tokens, lengths=lengths)
        return jnp.sum(jnp.sin(logits)), logits

    graded = jax.jit(jax.value_and_grad(total, has_aux=True))
    wide = np.pad(TOKENS, ((0, 0), (0, 3)))
    plain = run(params, wide)
    (value, logits), gradient = graded(params, wide, lengths)
    assert_close(logits, run(params, TOKENS))
    assert_close(plain, logits, atol=1e-6)
    beyond = np.arange(7) >= lengths[:, None]
    for filler in (6, -1, 99, np.iinfo(np.int32).max):
        (again, _), other = graded(params, np.where(beyond, filler, wide), lengths)
        assert again == value
        assert_close(other, gradient, atol=0)
    for token in (-1, 7, np.iinfo(np.int32).min):
        lost = np.asarray(run(params, np.where(wide == 4, token, wide)))
        assert np.isnan(lost[0]).all()
        assert_close(lost[1:], plain[1:], atol=0)


def test_token_rnn_is_embeddings_a_layer_and_a_dense_one_in_windows(key):
    model = TokenRNN(7, embedding=2, features=4)
    params, run = drawn(model, key), jax.jit(model.apply)
    own = params["params"]
    head = jax.tree.map(np.asarray, own["head"])
    states = LSTM(4).apply({"params": own["lstm"]}, own["embedding"][TOKENS])
    whole = run(params, TOKENS)
    assert_close(whole, np.asarray(states) @ head["kernel"] + head["bias"])
    first, carry = run(params, TOKENS[:, :2], model.zero_carry(4))
    second, carry = run(params, TOKENS[:, 2:], carry)
    assert_close(jnp.concatenate([first, second], axis=1), whole)
    lost, carry = run(params, np.where(TOKENS == 6, 7, TOKENS), model.zero_carry(4))
    assert np.isnan(lost[1, 2:]).all()
    assert np.isnan(carry[1][1]).all()
    kept = np.arange(4) != 1
    assert_close(lost[1, :2], whole[1, :2])
    assert_close(lost[kept], whole[kept])
    assert np.isfinite(np.asarray(carry)[:, kept]).all()


def test_dropout_by_the_name_of_training(key):
    model = TextCNN(7, 3, embedding=2, widths=[2], channels=4, dropout=0.5)
    params = drawn(model, key)
    keys = jax.random.split(key, 2000)
    noisy = jax.vmap(lambda key: model.apply(params, TOKENS, train=True, rngs={"dropout": key}))
    every, plain = jax.jit(noisy)(keys), jax.jit(model.apply)(params, TOKENS)
    assert float(every.std(axis=0).min()) > 0.01
    # the head is linear: masks average to the values without; five standard errors
    error = every.std(axis=0) / np.sqrt(len(keys))
    assert bool((jnp.abs(every.mean(axis=0) - plain) < 5 * error).all())


def test_names_and_sizes_by_shapes(key):
    forms = {
        name: jax.eval_shape(TextRNN(7, 3, layer=name, features=4).init, key, TOKENS)["params"]
        for name in ("simple", "lstm", "gru")
    }
    for name, form in forms.items():
        assert set(form) == {"embedding", name, "head"}
    zeros = TextCNN(7, 3, widths=(2,), initialiser="zeros").init(key, TOKENS)["params"]
    assert not zeros["conv_2"]["kernel"].any()
    assert np.std(zeros["embedding"]) == pytest.approx(64**-0.5, rel=0.15)


@pytest.mark.parametrize(
    ("model", "tokens", "error", "match"),
    [
        (RNN.copy(layer="grru"), TOKENS, ValueError, "unknown layer 'grru'; nearest: gru"),
        (RNN.copy(pooling="max"), TOKENS, ValueError, "unknown pooling 'max'"),
        (RNN.copy(dropout=1.0), TOKENS, ValueError, "dropout: expected a number from 0, below 1"),
        (RNN.copy(features=0), TOKENS, ValueError, "features: expected a whole number from 1"),
        (TokenRNN(7, layer="gur"), TOKENS, ValueError, "unknown layer 'gur'; nearest: gru"),
        (TokenRNN(7, features=0), TOKENS, ValueError, "features: expected a whole number from 1"),
        (TokenRNN(7), TOKENS[0], ValueError, r"expected \[batch, length\]"),
        (CNN.copy(widths=()), TOKENS, ValueError, "widths: expected at least one width"),
        (RNN.copy(layer=None), TOKENS, ValueError, r"unknown layer None \(known: gru"),
        (RNN.copy(dropout="0.5"), TOKENS, TypeError, "dropout: expected a number, got str '0.5'"),
        (CNN.copy(widths=3), TOKENS, ValueError, "widths: expected at least one .* got 3"),
        (CNN.copy(widths=(0,)), TOKENS, ValueError, "widths: expected a whole number from 1"),
        (CNN.copy(activation="relo"), TOKENS, ValueError, "unknown activation 'relo'"),
        (CNN.copy(initialiser="he_norm"), TOKENS, ValueError, "unknown initialiser 'he_norm'"),
        (CNN.copy(vocabulary=7.5), TOKENS, TypeError, "vocabulary: expected a whole number"),
        (CNN, np.ones((2, 3), np.float32), TypeError, "tokens: expected integers, got float32"),
        (RNN, TOKENS[0], ValueError, r"tokens: expected \[batch, length\].*got shape \(4,\)"),
        (CNN, TOKENS[:, :0], ValueError, r"a length from 1 on, got shape \(4, 0\)"),
    ],
)
def test_what_is_refused(key, model, tokens, error, match):
    with pytest.raises(error, match=match):
        jax.eval_shape(model.init, key, tokens)


@pytest.mark.parametrize("model", [CNN, RNN])
def test_lengths_are_refused_as_by_the_layers(key, model):
    with pytest.raises(ValueError, match="lengths: expected one for each of the 4 sequences"):
        model.init(key, TOKENS, lengths=np.array([1, 2]))
    with pytest.raises(TypeError, match="lengths: expected integers, got float"):
        model.init(key, TOKENS, lengths=np.ones(4))
