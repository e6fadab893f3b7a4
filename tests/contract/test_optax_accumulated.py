"""Every transformation behind an accumulated gradient, against microbatches added by hand."""

import pytest
from by_hand import MICROBATCHES, accumulated, loss_fn
from contract import RATE, WHOLE_BATCH, assert_close, hand, run
from every_optax import FACTORIES, PER_EXAMPLE

import paramjax as pj


@WHOLE_BATCH
def test_accumulated(name):
    grad_fn = pj.grads.accumulate(loss_fn, MICROBATCHES)
    ours, _ = run(pj.train_step(grad_fn, FACTORIES[name](RATE)))
    assert_close(ours, hand(name, gradient=accumulated)[0])


@pytest.mark.parametrize("name", sorted(PER_EXAMPLE))
def test_gradients_of_each_example_cannot_be_accumulated(name):
    """The two that aggregate examples themselves: refused, with the reason."""
    with pytest.raises(ValueError, match="got gradients per example"):
        pj.grads.accumulate(pj.grads.per_example(loss_fn), MICROBATCHES)
