"""Every transformation under an exponential moving average of what it wants evaluated."""

import jax
from contract import OPTIMIZER, assert_close, hand, run, trainer_of

import paramjax as pj


@OPTIMIZER
def test_averaged(name):
    ours, _ = run(trainer_of(name, hooks=[pj.ema(0.5)]))
    theirs, _ = hand(name)
    weights = [0.5 ** (len(theirs) - step) for step in range(len(theirs))]
    average = jax.tree.map(
        lambda *leaves: sum(w * x for w, x in zip(weights, leaves, strict=True)) / sum(weights),
        *theirs,
    )
    assert_close(ours[-1], average)
