import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax import _checks as checks  # the words of refusals that every folder uses


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: jax.random.PRNGKey(0), TypeError, r"legacy PRNGKey arrays are .*jax.random.key"),
        (lambda: jax.random.key(0, impl="rbg"), ValueError, "expected a threefry key, got .*rbg"),
        (lambda: jax.random.split(jax.random.key(0)), ValueError, "array of keys of shape"),
        (lambda: 3, TypeError, "expected a typed key, got int 3"),
    ],
)
def test_other_keys_than_one_typed_threefry_key_are_refused(make, error, message):
    with pytest.raises(error, match=f"key: .*{message}"):
        checks.check_key(make())


@pytest.mark.parametrize("number", [-1, 2**32])
def test_seeds_that_would_fold_are_refused(number):
    with pytest.raises(ValueError, match="two numbers would give the same key"):
        checks.check_seed(number)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [(float("nan"), ValueError, "from 0, finite, got nan"), (float("inf"), ValueError, "got inf"),
     (-1.0, ValueError, "got -1.0"), (None, TypeError, "got None")],
)  # fmt: skip
def test_learning_rates_that_cannot_descend_are_refused(value, error, message):
    with pytest.raises(error, match=f"learning_rate: expected a number.*{message}"):
        checks.check_learning_rate(value)


def test_schedules_and_tracers_pass():
    checks.check_learning_rate(lambda step: 0.1)
    assert jax.jit(lambda rate: (checks.check_learning_rate(rate), rate)[1])(0.5) == 0.5


@pytest.mark.parametrize("value", [0, -3, 2**31, 1.5, True, "3"])
def test_counts_are_whole_and_in_range(value):
    error = ValueError if type(value) is int else TypeError
    with pytest.raises(error, match="steps: expected a whole number"):
        checks.check_count("steps", value)


def test_integer_parameters_are_named():
    params = {"dense": {"kernel": jnp.zeros(2), "count": jnp.zeros(2, jnp.int32)}}
    with pytest.raises(TypeError, match=r"leaf dense/count is int32\[2\]"):
        checks.check_params(params)


def test_empty_parameters_are_refused():
    with pytest.raises(ValueError, match="got an empty tree"):
        checks.check_params({})


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"gradients: leaf w has shape \(2,\), expected \(2, 2\)"):
        checks.check_same_form("gradients", {"w": jnp.ones(2)}, {"w": jnp.ones((2, 2))})


def test_other_trees_are_refused():
    with pytest.raises(ValueError, match="updates: expected the tree of the parameters"):
        checks.check_same_form("updates", {"v": jnp.ones(2)}, {"w": jnp.ones(2)})


def test_unknown_names_list_the_nearest():
    assert "nearest: adamw" in checks.nearest("adamv", ["adamw", "sgd"], what="optimizer")
    assert checks.nearest(None, ["sgd"], what="optimizer") == "unknown optimizer None (known: sgd)"
    assert "nearest" not in checks.nearest("zzz", ["adamw", "sgd"], what="optimizer")


@pytest.mark.parametrize("value", [0, 1.0, np.float64(0.5), jnp.float32(1.0)], ids=str)
def test_scalars_up_to_both_ends_pass(value):
    checks.check_scalar("mixing", value, high=1.0)


def test_traced_scalars_pass_and_traced_vectors_do_not():
    jax.make_jaxpr(lambda value: checks.check_scalar("mixing", value))(-1.0)
    with pytest.raises(ValueError, match=r"mixing: expected one number, got float32\[3\]"):
        jax.make_jaxpr(lambda value: checks.check_scalar("mixing", value))(jnp.ones(3))


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (-0.1, ValueError, "mixing: expected a number from 0, to 1, got -0.1"),
        (1.1, ValueError, "mixing: expected a number from 0, to 1, got 1.1"),
        (float("nan"), ValueError, "mixing: expected a number from 0, to 1, got nan"),
        (None, TypeError, "mixing: expected a number, got None"),
        ("0.5", TypeError, "mixing: expected a number, got str '0.5'"),
        ({"a": np.arange(999.0)}, TypeError, r"mixing: expected a number, got dict .{,203}$"),
        (lambda step: 0.1, TypeError, "give a loss its value by pj.losses.scheduled"),
    ],
    ids=["low", "high", "nan", "None", "string", "long", "schedule"],
)
def test_other_scalars_are_refused(value, error, match):
    with pytest.raises(error, match=match):
        checks.check_scalar("mixing", value, high=1.0)
