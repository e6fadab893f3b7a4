import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusing import assert_refused
from scipy import special

from paramjax.models import ACTIVATIONS, CNN, INITIALISERS, MLP, Linear, activation, initialiser

SELU = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. (2017), equation 14
FORMULAS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
}
INPUTS, OUTPUTS = 300, 200
VARIANCES = {
    "lecun_normal": 1 / INPUTS,
    "small_normal": 1e-4,
    "glorot_uniform": 2 / (INPUTS + OUTPUTS),
    "glorot_normal": 2 / (INPUTS + OUTPUTS),
    "he_uniform": 2 / INPUTS,
    "he_normal": 2 / INPUTS,
    "orthogonal": 1 / INPUTS,
    "zeros": 0.0,
}


def test_every_activation_is_its_formula():
    x = np.linspace(-5, 5, 41)
    assert FORMULAS.keys() == ACTIVATIONS.keys()
    found = jax.jit(lambda x: {name: activation(name)(x) for name in ACTIVATIONS})(x)
    for name, values in found.items():
        np.testing.assert_allclose(values, FORMULAS[name](x), rtol=1e-5, atol=1e-6, err_msg=name)


def test_every_initialiser_has_its_variance(key):
    """60,000 normal numbers give a variance to 0.6 % (one deviation); uniform ones are closer."""
    assert VARIANCES.keys() == INITIALISERS.keys()
    draw = lambda key: {name: initialiser(name)(key, (INPUTS, OUTPUTS)) for name in INITIALISERS}
    found = jax.jit(draw)(key)
    for name, kernel in found.items():
        assert abs(kernel.mean()) <= 0.02 * np.sqrt(VARIANCES[name]) + 1e-12, name
        np.testing.assert_allclose(kernel.var(), VARIANCES[name], rtol=0.03, err_msg=name)
    product = np.asarray(found["orthogonal"]).T @ np.asarray(found["orthogonal"])
    np.testing.assert_allclose(product, np.eye(OUTPUTS), atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 6), (3, 2, 5), (2, 3, 4, 7), (3, 20)])
def test_orthogonal_kernels_are_those_of_jax(key, shape):
    """And no call of LAPACK, on which two programs at once would wait for each other."""
    ours = jax.jit(lambda key: initialiser("orthogonal")(key, shape, jnp.float32))
    theirs = jax.nn.initializers.orthogonal()(key, shape, jnp.float32)
    np.testing.assert_allclose(ours(key), theirs, atol=2e-5)
    assert "custom_call" not in ours.lower(key).as_text()


@pytest.mark.parametrize("make", [MLP((4, 2)).clone, CNN((2,), (3, 2)).clone, Linear(2).clone])
def test_unknown_names_are_refused_with_the_nearest(key, make):
    x = jnp.ones((1, 4, 4, 1)) if isinstance(make(), CNN) else jnp.ones((1, 3))
    assert_refused(
        lambda **fields: jax.eval_shape(make(**fields).init, key, x),
        ({"initialiser": "he_norml"}, ValueError, "unknown initialiser 'he_norml'; nearest: he_n"),
        ({"features": 0}, ValueError, "features: expected .*, got 0"),
        ({"initialiser": 0.01}, TypeError, "initialiser: expected a name, got 0.01; known: lecun"),
    )
    with pytest.raises(ValueError, match="unknown activation 'rellu'; nearest: relu"):
        activation("rellu")
