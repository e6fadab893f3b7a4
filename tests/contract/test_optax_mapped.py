"""Every transformation built from a traced learning rate, mapped over two of them."""

import jax
import jax.numpy as jnp
from contract import BATCHES, OPTIMIZER, PARAMS, assert_close, at, hand, trainer_of

RATES = (0.02, 0.05)


@OPTIMIZER
def test_mapped_over_learning_rates(name):
    def final(rate):
        trainer = trainer_of(name, rate=rate)
        state = trainer.init(jax.random.key(0), PARAMS)
        state, _ = jax.lax.scan(trainer.step, state, BATCHES)
        return trainer.eval_params(state)

    together = jax.jit(jax.vmap(final))(jnp.array(RATES))
    for lane, rate in enumerate(RATES):
        assert_close(at(together, lane), hand(name, rate=rate)[0][-1])
