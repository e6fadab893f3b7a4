"""Runs of a trainer in one compiled scan."""

import jax


def run_steps(trainer, params, key, batches=None, *, steps=None, model_state=()):
    """The state after a step for each batch, or `steps` without one, and the metrics of each."""
    state = trainer.init(key, params, model_state)
    return jax.jit(lambda s, b: jax.lax.scan(trainer.step, s, b, length=steps))(state, batches)
