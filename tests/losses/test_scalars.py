import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.losses._scalars import check_scalar


@pytest.mark.parametrize("value", [0, 1.0, np.float64(0.5), jnp.float32(1.0)], ids=str)
def test_numbers_up_to_both_ends_pass(value):
    check_scalar("mixing", value, high=1.0)


def test_traced_scalars_pass_and_traced_vectors_do_not():
    jax.make_jaxpr(lambda value: check_scalar("mixing", value))(-1.0)
    with pytest.raises(ValueError, match=r"mixing: expected one number, got float32\[3\]"):
        jax.make_jaxpr(lambda value: check_scalar("mixing", value))(jnp.ones(3))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="mixing: expected a number from 0, to 1, got"):
        check_scalar("mixing", value, high=1.0)


def test_schedules_are_refused_with_a_way_out():
    with pytest.raises(TypeError, match="a loss is not told the step, so count it in the model_st"):
        check_scalar("strength", lambda step: 0.1)


@pytest.mark.parametrize("value", [None, "much"])
def test_other_things_are_refused(value):
    with pytest.raises(TypeError, match="strength: expected a number, got"):
        check_scalar("strength", value)
