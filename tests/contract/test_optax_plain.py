"""Every gradient transformation of optax through one step function, against optax alone.

The other files test_optax_*.py hold each optimizer and wrapper to the same: accumulated, in
mixed precision, mapped over rates, sharded over eight devices, and hooked: guarded, averaged
and resumed.
"""

import chex
import jax
import optax
import optax.contrib as contrib
from contract import BATCHES, EVERY, PARAMS, assert_close, at, hand, run, trainer_of
from every_optax import DEPRECATED, FACTORIES


def test_no_transformation_of_optax_is_left_out():
    exported = {
        name
        for module in (optax, contrib)
        for name in dir(module)
        if not name.startswith("_")
        and "GradientTransformation"
        in str(getattr(getattr(module, name), "__annotations__", {}).get("return"))
    }
    assert exported - set(FACTORIES) == DEPRECATED


@EVERY
def test_plain(name):
    ours, _ = run(trainer_of(name))
    assert_close(ours, hand(name)[0])


@EVERY
def test_equal_bits_where_the_arithmetic_is_equal(name):
    """Operation by operation, without a compiler that fuses them in its own way."""
    trainer = trainer_of(name)
    state = trainer.init(jax.random.key(0), PARAMS)
    for index in range(2):
        state, _ = trainer.step(state, at(BATCHES, index))
    theirs, opt_state = hand(name, at(BATCHES, slice(2)))
    chex.assert_trees_all_equal(trainer.eval_params(state), theirs[-1])
    chex.assert_trees_all_equal(state.opt_state, opt_state)
