import contextlib
import gc
import itertools
import json
import math
import signal
import threading
import time
import weakref

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from paramjax.data import StreamBlockedWarning, StreamEnded
from paramjax.data.streams._prefetch import Prefetcher  # how fit reads a stream

ROWS = 3


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert "paramjax stream" not in names


@pytest.fixture
def few(monkeypatch):
    """Stacks of four batches, rather than of 64."""
    monkeypatch.setattr("paramjax.data.streams._batches._STACK_BATCHES", 4)


def batch(number):
    return {"x": np.full((ROWS, 2), number, np.float32), "y": np.full(ROWS, number, np.int32)}


def opened(stream, step=0, position=None, place=jax.device_put, end=None):
    stacks = Prefetcher(stream, step=step, position=position, place=place, end=end)
    return contextlib.closing(stacks)


def numbers(stacks, count, positions=None):
    """The numbers of so many batches, each whole."""
    found = []
    while len(found) < count:
        stack = stacks.next()
        assert 0 < stack.filled == len(stack.positions)
        for place in range(stack.filled):
            x, y = (np.asarray(stack.batches[name][place]) for name in "xy")
            assert (x == y[0]).all()
            assert (y == y[0]).all()
            found.append(int(y[0]))
        if positions is not None:
            positions.extend(stack.positions)
    return found


class Counted:
    """Batches of numbers, by an iterator that can be told its state."""

    def __init__(self):
        self.seen = 0

    def __next__(self):
        self.seen += 1
        return batch(self.seen - 1)

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "make",
    [Counted, lambda: map(batch, itertools.count()), lambda: lambda k: map(batch, range(k, 99))],
    ids=["state", "iterator", "function"],
)
def test_from_the_position_of_any_batch_the_same_batches_follow(make):
    positions = []
    with opened(make()) as stacks:
        assert numbers(stacks, 17, positions)[:17] == list(range(17))
    for step in range(1, 17):
        position = json.loads(json.dumps(positions[step - 1]))
        with opened(make(), step, position) as stacks:
            assert numbers(stacks, 9)[:9] == list(range(step, step + 9))


def test_a_batch_is_the_one_that_was_drawn_even_if_the_stream_reuses_its_memory():
    def in_place():
        reused = batch(0)
        for number in range(9):
            for leaf in reused.values():
                leaf[:] = number
            yield reused

    with opened(in_place(), end=9) as stacks:
        assert numbers(stacks, 9) == list(range(9))


@pytest.mark.usefixtures("few")
def test_no_batch_is_drawn_beyond_the_end():
    iterator = map(batch, itertools.count())
    with opened(iterator, end=10) as stacks:
        assert numbers(stacks, 10) == list(range(10))
        with pytest.raises(StreamEnded, match="no batch was to be drawn from 10 on"):
            stacks.next()
    assert next(iterator)["y"][0] == 10


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.usefixtures("few")
def test_the_reading_thread_places_at_most_two_stacks_ahead():
    drawn, placed = itertools.count(), []

    def place(stack):
        placed.append(threading.current_thread().name)
        return jax.device_put(stack)

    with opened(map(batch, drawn), place=place) as stacks:
        stack = stacks.next()
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(stack.batches))
        wait_until(lambda: len(placed) >= 3)
        time.sleep(0.05)
        assert placed == ["paramjax stream"] * 3  # the one in use, and two ahead of the steps
    assert next(drawn) <= 3 * 4


@pytest.mark.usefixtures("few")
def test_memory_does_not_grow():
    made = []

    def place(stack):
        placed = jax.device_put(stack)
        made.extend(map(weakref.ref, jax.tree.leaves(placed)))
        return placed

    def alive():
        return sum(leaf() is not None for leaf in made)

    with opened(map(batch, itertools.count()), place=place) as stacks:
        for _ in range(100):
            stack = stacks.next()
            # in use, ready, waiting to be ready, and one that was just given back
            assert alive() <= 2 * 4
        del stack
    gc.collect()
    assert alive() == 0


def test_batches_of_a_slow_stream_do_not_wait_for_a_full_stack():
    def slow():
        for number in range(3):
            yield batch(number)
        gate.wait()
        yield batch(3)

    gate = threading.Event()
    with opened(slow(), end=4) as stacks:
        assert numbers(stacks, 3) == [0, 1, 2]
        assert not stacks.wait(0.02)
        gate.set()
        assert stacks.wait(10)
        assert numbers(stacks, 1) == [3]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("valid", "error"),
    [
        (0, OSError("the share is gone")),
        (4, OSError("the share is gone")),
        (6, KeyboardInterrupt()),
    ],
)
def test_what_the_stream_raises_comes_unchanged_after_the_batches_before(valid, error):
    def failing():
        yield from map(batch, range(valid))
        raise error

    with opened(failing()) as stacks:
        assert numbers(stacks, valid) == list(range(valid))
        for _ in range(2):  # each later call raises it again
            with pytest.raises(type(error)) as caught:
                stacks.next()
            assert caught.value is error


def test_a_stream_that_ends_early_says_before_which_batch():
    with opened(map(batch, range(5))) as stacks:
        assert numbers(stacks, 5) == list(range(5))
        with pytest.raises(StreamEnded, match="ended before batch 5; pass an iterable"):
            stacks.next()
    with opened(iter([])) as stacks, pytest.raises(StreamEnded, match="before batch 0"):
        _ = stacks.form


@pytest.mark.parametrize(
    "wrong", [{"x": 1.0}, batch(2) | {"x": np.full((ROWS, 2), np.nan, np.float32)}]
)
def test_a_batch_that_is_refused_is_named_after_those_before_it(wrong):
    with opened(iter([batch(0), batch(1), wrong, batch(3)])) as stacks:
        assert numbers(stacks, 2) == [0, 1]
        for _ in range(2):
            with pytest.raises(ValueError, match="batch 2 of the stream"):
                stacks.next()


def test_values_that_fit_are_what_the_device_gets():
    first = {
        "double": np.array([[1e38, -0.1]] * 3),
        "long": np.array([2**31 - 1, -(2**31), 0]),
        "unsigned": np.array([2**32 - 1, 0, 1], np.uint64),
        "byte": np.uint8([255, 0, 1]),
        "half": np.array([1.5, -2, 3], ml_dtypes.bfloat16),
        "flag": np.array([True, False, True]),
        "number": 3,
        "device": jnp.float32([1, 2, 3]),
    }
    with opened(iter([first, first]), end=2) as stacks:
        form, stack = stacks.form, stacks.next()
    for name, leaf in first.items():
        there, expected = stack.batches[name], jnp.asarray(leaf)
        assert (form[name].shape, form[name].dtype) == (expected.shape, expected.dtype)
        assert (there.shape[1:], there.dtype) == (expected.shape, expected.dtype)
        for place in range(2):
            np.testing.assert_array_equal(there[place], np.asarray(leaf).astype(there.dtype))


def test_what_is_set_for_a_block_of_code_counts_in_the_thread():
    wide = {"x": np.array([1e300]), "n": np.array([2**40])}
    with jax.enable_x64(True), opened(iter([wide]), end=1) as stacks:
        stack = stacks.next()
        assert stack.batches["n"].dtype == np.int64
        assert float(stack.batches["x"][0, 0]) == 1e300


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_consumer_that_raises_leaves_no_thread(error):
    closed = []

    def stream(step):
        try:
            yield from map(batch, itertools.count())
        finally:
            closed.append(threading.current_thread().name)

    with pytest.raises(error), opened(stream) as stacks:  # noqa: PT012
        stacks.next()
        raise error
    assert closed == ["paramjax stream"]  # whoever iterates also closes


def test_an_interrupt_reaches_a_consumer_that_waits():
    gate = threading.Event()

    def blocked():
        gate.wait()
        yield batch(0)

    main = threading.get_ident()
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    with opened(blocked(), end=1) as stacks:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            stacks.next()
        timer.join()
        gate.set()
        assert numbers(stacks, 1) == [0]  # nothing was lost


def test_closing_a_stream_that_waits_for_a_batch_says_so_and_does_not_hang():
    gate, left = threading.Event(), threading.Event()

    def blocked(step):
        try:
            yield batch(0)
            gate.wait()
            yield batch(1)
        finally:
            left.set()

    stacks = Prefetcher(blocked, step=0, position=None, place=jax.device_put)
    assert numbers(stacks, 1) == [0]
    with pytest.warns(StreamBlockedWarning, match="waiting for batch 1 for more than 0.05 s"):
        stacks.close(patience=0.05)
    assert not left.is_set()
    gate.set()
    assert left.wait(10)  # the thread closes the source once the batch came
    stacks.close(math.inf)


def test_closing_waits_for_the_batch_if_the_stream_is_to_be_read_again():
    gate = threading.Event()

    class Slow(Counted):
        def __next__(self):
            gate.wait(10)
            return super().__next__()

    stream = Slow()
    stacks = Prefetcher(stream, step=0, position=None, place=jax.device_put)
    threading.Timer(0.1, gate.set).start()
    stacks.close(math.inf)
    assert stream.seen == 1


def test_an_error_of_closing_the_iterator_is_raised():
    def stream(step):
        try:
            yield from map(batch, itertools.count())
        finally:
            raise OSError("cannot close")

    stacks = Prefetcher(stream, step=0, position=None, place=jax.device_put)
    stacks.next()
    with pytest.raises(OSError, match="cannot close"):
        stacks.close()
    stacks.close()


def test_what_is_no_stream_is_refused_before_a_thread_starts():
    with pytest.raises(TypeError, match="expected an iterator, an iterable or a function"):
        Prefetcher(3, step=0, position=None, place=jax.device_put)
