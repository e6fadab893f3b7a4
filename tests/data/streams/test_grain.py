"""Pipelines of grain resume to the bit, from a position that went through JSON."""

import json
import threading

import numpy as np
import pytest

from paramjax.data.streams._cursor import start_position
from paramjax.data.streams._prefetch import Prefetcher  # how fit reads a stream

grain = pytest.importorskip("grain")

ROWS, BATCH, DRAWN = 23, 4, 15
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)


FEW_THREADS = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)


def row(number):
    return {"x": X[number], "row": np.int32(number)}


def noisy(example, rng):
    """An augmentation, so that the random state of the pipeline must come back, too."""
    return {**example, "x": example["x"] + rng.normal(size=3).astype(np.float32)}


def mapped():
    """A dataset with shuffling, without an end."""
    shuffled = grain.MapDataset.source(range(ROWS)).seed(7).shuffle().repeat()
    return shuffled.map(row).random_map(noisy).batch(BATCH, drop_remainder=True)


def iterated():
    """The same read by threads ahead."""
    return mapped().to_iter_dataset(FEW_THREADS)


def windowed():
    """One that shuffles within a window, whose buffer is part of the state."""
    dataset = grain.MapDataset.source(range(ROWS)).seed(3).repeat().map(row)
    dataset = grain.experimental.WindowShuffleIterDataset(
        dataset.to_iter_dataset(FEW_THREADS), window_size=5, seed=1
    )
    return dataset.batch(BATCH, drop_remainder=True)


def one_epoch():
    """A dataset that ends, so that it is begun again."""
    return (
        grain.MapDataset.source(range(ROWS))
        .seed(1)
        .shuffle()
        .map(row)
        .batch(BATCH, drop_remainder=True)
    )


class Row(grain.transforms.Map):
    def map(self, element):
        return row(element)


def loader():
    """The older interface, whose state is bytes."""
    sampler = grain.samplers.IndexSampler(ROWS, shuffle=True, seed=5, num_epochs=None)
    operations = [Row(), grain.transforms.Batch(BATCH, drop_remainder=True)]
    return grain.DataLoader(
        data_source=range(ROWS), sampler=sampler, operations=operations, read_options=FEW_THREADS
    )


PIPELINES = {
    "map": mapped,
    "iter": iterated,
    "iterator": lambda: iter(iterated()),
    "window": windowed,
    "epoch": one_epoch,
    "loader": loader,
}


def read(source, step, position, count):
    stacks = Prefetcher(source, step=step, position=position, place=lambda x: x, end=step + count)
    batches, positions = [], []
    try:
        while len(batches) < count:
            stack = stacks.next()
            batches += [
                {name: leaf[place].tobytes() for name, leaf in stack.batches.items()}
                for place in range(stack.filled)
            ]
            positions += stack.positions
    finally:
        stacks.close()
    return batches, positions


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("every", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_a_pipeline_goes_on_from_any_batch_to_the_bit(name, every, monkeypatch):
    monkeypatch.setattr("paramjax.data.streams._position._MARK_BATCHES", every)
    make = PIPELINES[name]
    batches, positions = read(make(), 0, None, DRAWN)
    distinct = len({tuple(batch.values()) for batch in batches})
    assert distinct == ROWS // BATCH if name == "epoch" else distinct == DRAWN
    for step in (1, 5, 7, 11, 14):  # within epochs of five batches, and at their end
        position = json.loads(json.dumps(positions[step - 1]))
        again, _ = read(make(), step, position, DRAWN - step)
        assert again == batches[step:]
    assert "paramjax stream" not in [thread.name for thread in threading.enumerate()]


def test_what_is_read_is_what_grain_yields():
    batches, _ = read(mapped(), 0, None, DRAWN)
    for batch, (_, expected) in zip(
        batches, zip(range(DRAWN), mapped(), strict=False), strict=True
    ):
        assert batch == {name: leaf.tobytes() for name, leaf in expected.items()}


def test_an_iterator_of_grain_goes_back_to_its_beginning():
    iterator = iter(iterated())
    start = start_position(iterator)
    batches, _ = read(iterator, 0, start, DRAWN)
    assert read(iterator, 0, json.loads(json.dumps(start)), DRAWN)[0] == batches
