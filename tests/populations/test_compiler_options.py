import jax
import numpy as np
import pytest

from paramjax.populations._compiler_options import RUN_OFTEN, RUN_ONCE, for_backend, jit_to_run_once


def noise(key, rows):
    """What starts and orders are made of: normal numbers and permutations."""
    one, two = jax.random.split(key)
    return jax.random.truncated_normal(one, -2, 2, (rows, 3)), jax.random.permutation(two, rows)


def test_a_program_that_runs_once_gives_the_bits_of_another(key):
    hurried = jit_to_run_once(noise, "rows")(key, rows=50)
    jax.tree.map(np.testing.assert_array_equal, hurried, jax.jit(noise, static_argnums=1)(key, 50))


def test_the_same_function_is_compiled_once():
    assert jit_to_run_once(noise, "rows") is jit_to_run_once(noise, "rows")


def test_other_backends_are_asked_for_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert for_backend(RUN_ONCE) is None
    assert for_backend(RUN_OFTEN) is None


def test_what_this_jax_does_not_know_is_left_out():
    assert for_backend({"xla_cpu_of_another_version": 1}) == {}


def test_a_known_option_of_a_wrong_kind_is_not_passed_over():
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_backend_optimization_level"):
        for_backend({"xla_backend_optimization_level": "much"})
