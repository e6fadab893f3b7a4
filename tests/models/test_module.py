"""First variables: those of flax, with next to nothing compiled."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.models import CNN, LSTM, MLP

KEY = jax.random.key(3)
IMAGE = np.zeros((1, 8, 8, 1), np.float32)
SERIES = np.zeros((2, 3, 4), np.float32)


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize(
    ("model", "x"),
    [(MLP([6, 2], batch_norm=True, dropout=0.5), IMAGE[..., 0]), (CNN(), IMAGE), (LSTM(3), SERIES)],
)
def test_first_variables_are_those_of_flax(model, x):
    ours = model.init(KEY, x)
    assert_same(ours, jax.jit(model.init)(KEY, x))
    assert_same(ours, jax.jit(lambda key: nn.Module.init(model, key, x))(KEY))


def test_keywords_keys_by_name_and_further_collections():
    model = MLP((4, 2), dropout=0.5, batch_norm=True)
    keys = {"params": KEY, "dropout": jax.random.key(1)}
    ours = model.init(keys, IMAGE[..., 0], train=True)
    assert_same(ours, model.init(keys, IMAGE[..., 0], train=True, mutable=True))
    assert list(ours["params"]["Dense_0"]) == ["kernel", "bias"]
    plain = MLP((4, 2))
    assert set(plain.init(KEY, IMAGE[..., 0], mutable=["params"])) == {"params"}
    sown = plain.init(KEY, IMAGE[..., 0], mutable=True, capture_intermediates=True)
    assert "intermediates" in sown


class _Looks(MLP):
    """A module that looks at the numbers that it is called with."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2 if x.sum() > 0 else 3)(x)


def test_a_module_that_looks_at_numbers_is_initialised_by_flax():
    variables = _Looks((2,)).init(KEY, jnp.ones((1, 2)))
    assert variables["params"]["Dense_0"]["kernel"].shape == (2, 2)


def test_inputs_that_are_there_while_something_else_is_traced():
    model = MLP((2,))
    shapes = jax.eval_shape(lambda: model.init(KEY, jnp.ones((1, 2))))
    assert shapes["params"]["Dense_0"]["kernel"].shape == (2, 2)
    assert "Dense_0" in model.tabulate(KEY, jnp.ones((1, 2)))


class _Projects(MLP):
    """A module with a layer more for inputs of another width."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2, name="z")(x if x.shape[-1] == 2 else nn.Dense(2, name="a")(x))


def test_each_width_of_inputs_has_its_own_variables():
    model = _Projects((2,))
    names = [list(model.init(KEY, jnp.ones((1, width)))["params"]) for width in (2, 3, 2, 3)]
    assert names == [["z"], ["a", "z"]] * 2


def test_errors_are_those_of_the_module():
    with pytest.raises(ValueError, match="width|features"):
        MLP(()).init(KEY, SERIES)
