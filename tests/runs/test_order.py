"""The rows of a run, drawn in pieces and blocks, are those of the epochs one by one."""

import jax
import numpy as np
import pytest

from paramjax._threefry import words
from paramjax.data._sampler import host_batches
from paramjax.runs._batch_spec import BatchSpec
from paramjax.runs._order import Order

KEY = words(jax.random.key(4))


@pytest.mark.parametrize(
    ("rows", "batch", "last"), [(1000, 96, "drop"), (1000, 96, "keep"), (300_000, 50_000, "pad")]
)
def test_every_step_reads_the_rows_of_its_epoch(rows, batch, last):
    """Over the end of a block, whose pieces grow, from a step within an epoch on."""
    spec = BatchSpec(rows=rows, batch_size=batch, last=last)
    steps = 2 * spec.block_steps + 3
    order, step = Order(spec, KEY, steps, np.array), 7
    handed, epochs = [], {}
    while step < steps:
        while not order.ready(step, 1.0):
            pass
        block, first, end = order.at(step)
        handed.append(end - first)
        for at in {first, (first + end) // 2, end - 1}:
            number = step - first + at
            epoch = number // spec.per_epoch
            if number < steps and epoch not in epochs:
                epochs = {epoch: host_batches(KEY, epoch, 1, rows, batch, last)}
            if number < steps:
                assert np.array_equal(block[at], epochs[epoch][number % spec.per_epoch])
        step += end - first
    assert order.ends_at(step)
    assert len(handed) >= 3, "two blocks and the beginning of a third"
    order.close()
