import itertools
import json

import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.data import StreamEnded

# how fit resumes a stream; no public name reaches it
from paramjax.data.streams._cursor import StreamCursor, can_rewind, is_stream, start_position

EPOCH, DRAWN = 7, 20


class Counter:
    """An iterator with the methods of grain's: numbers, and a seed drawn on as it goes."""

    def __init__(self, length=None):
        self.seen, self.length, self.reads = 0, length, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.seen == self.length:
            raise StopIteration
        self.seen += 1
        return self.seen - 1

    def get_state(self):
        self.reads += 1
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]


class Dataset:
    """An iterable whose iterators have a state, as grain's datasets are."""

    def __iter__(self):
        return Counter(EPOCH)


class Loader:
    """An iterable with a state of its own, as torchdata's loader: each epoch in a new order."""

    def __init__(self):
        self.rng, self.order, self.seen = np.random.default_rng(0), None, 0

    def __iter__(self):
        if self.order is None or self.seen == EPOCH:
            self.order, self.seen = self.rng.permutation(EPOCH), 0
        return self._rest()

    def _rest(self):
        while self.seen < EPOCH:
            self.seen += 1
            yield int(self.order[self.seen - 1])

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state, "order": self.order, "seen": self.seen}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]
        self.order, self.seen = state["order"], state["seen"]


class Opaque(Counter):
    """An iterator whose state is nothing that can be written."""

    def get_state(self):
        return object()


def shuffled_function(step):
    for place in itertools.count(step):
        order = np.random.default_rng(place // EPOCH).permutation(EPOCH)
        yield int(order[place % EPOCH])


STREAMS = {
    "generator": lambda: (number**2 for number in itertools.count()),
    "range": lambda: range(EPOCH),
    "function": lambda: shuffled_function,
    "iterator with a state": Counter,
    "dataset": Dataset,
    "loader": Loader,
}


def drawn(source, count):
    """Batches, and where the source stands before each and after all of them."""
    batches, positions = [], [source.position()]
    while source.behind:
        source.draw()
    for _ in range(count):
        batches.append(source.draw())
        positions.append(source.position())
    return batches, positions


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("every", [1, 3, 64])
def test_wherever_a_stream_is_cut_the_same_batches_follow(name, every, monkeypatch):
    monkeypatch.setattr("paramjax.data.streams._position._MARK_BATCHES", every)
    make = STREAMS[name]
    start = start_position(make())
    batches, positions = drawn(StreamCursor(make(), 0, start), DRAWN)
    positions[0] = start
    for step, position in enumerate(positions):
        source = StreamCursor(make(), step, json.loads(json.dumps(position)))
        again, onwards = drawn(source, DRAWN - step)
        assert again == batches[step:]
        assert source.step == DRAWN
        for later in range(step + 1, DRAWN, 5):  # a resumed run is cut again
            twice = StreamCursor(make(), later, json.loads(json.dumps(onwards[later - step])))
            assert drawn(twice, DRAWN - later)[0] == batches[later:]


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "generator"])
def test_a_stream_that_was_read_goes_back_to_any_step(name):
    stream = STREAMS[name]()
    assert can_rewind(stream)
    start = start_position(stream)
    batches, positions = drawn(StreamCursor(stream, 0, start), DRAWN)
    for step in (11, 3, 0):
        position = positions[step] if step else start
        assert drawn(StreamCursor(stream, step, position), DRAWN - step)[0] == batches[step:]


@pytest.mark.parametrize("stream", [iter(range(3)), (n for n in range(3)), Opaque()])
def test_an_iterator_without_a_state_that_can_be_saved_is_lost_once_read(stream):
    assert not can_rewind(stream)
    assert start_position(stream) is None


def test_what_follows_is_what_the_stream_yields():
    assert drawn(StreamCursor(range(3), 0), 8)[0] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert drawn(StreamCursor(range(3), 5), 2)[0] == [2, 0]
    assert drawn(StreamCursor(iter(range(9)), 5), 2)[0] == [5, 6]
    assert drawn(StreamCursor(lambda step: itertools.count(10 * step), 5), 2)[0] == [50, 51]


def test_a_function_is_asked_for_the_step_and_nothing_is_dropped():
    asked = []
    cursor = StreamCursor(lambda step: iter([asked.append(step) or step]), 1000)
    assert (cursor.behind, cursor.draw(), asked) == (0, 1000, [1000])


def test_few_states_are_read():
    counter = Counter()
    source = StreamCursor(counter, 0)
    for _ in range(129):
        source.draw()
        source.position()
    assert counter.reads in range(3, 10)  # before batches 0, 64 and 128; more if time passed


class Once:
    """An iterable that always returns the same iterator."""

    def __init__(self):
        self.rest = iter(range(3))

    def __iter__(self):
        return self.rest


@pytest.mark.parametrize(
    ("stream", "step", "message"),
    [
        (iter(range(3)), 0, "3; pass an iterable that can be iterated again"),
        (iter(range(3)), 5, "3; pass an iterable"),  # among those that are dropped
        (lambda step: iter(range(3)), 0, "3; pass an iterable"),
        (Counter(3), 0, "3; pass an iterable"),
        (set(), 0, "0, and yields no batch when set is iterated again"),
        (Once(), 0, "3, and yields no batch when Once is iterated again"),
    ],
)
def test_a_stream_that_ends_says_before_which_batch(stream, step, message):
    with pytest.raises(StreamEnded, match=f"ended before batch {message}"):
        drawn(StreamCursor(stream, step), 4)


def test_an_iterator_that_was_made_here_is_closed_and_one_that_was_given_is_not():
    closed = []

    def numbers(name):
        try:
            yield from range(9)
        finally:
            closed.append(name)

    given = numbers("given")
    for stream in (given, lambda step: numbers("made")):
        source = StreamCursor(stream, 0)
        source.draw()
        source.close()
    assert closed == ["made"]
    assert next(given) == 1


def test_a_state_that_cannot_be_saved_is_said_and_batches_are_drawn_again():
    source = StreamCursor(Opaque(), 2)
    with pytest.warns(UserWarning, match="the state of Opaque cannot be saved .* got object"):
        source.draw()
    assert source.position() is None
    assert drawn(source, 2)[0] == [2, 3]


def test_an_error_of_the_state_itself_is_not_taken_for_one_of_its_form():
    class Broken(Counter):
        def get_state(self):
            raise TypeError("no state today")

    with pytest.raises(TypeError, match="no state today"):
        StreamCursor(Broken(), 0).draw()


SAVED = {"state": ["dict", [["seen", 3]]], "skip": 2}


@pytest.mark.parametrize(
    ("stream", "step", "position", "message"),
    [(shuffled_function, 5, SAVED, "that of an iterator with a state, got a function"),
     (Counter(), 5, 7, "expected a position that a stream has saved, got 7"),
     (Counter(), 1, SAVED, "expected the position of step 1, got one that lies 2 batches"),
     (range(3), 5, SAVED, "got range without get_state and set_state")],
)  # fmt: skip
def test_a_position_of_another_stream_is_refused(stream, step, position, message):
    with pytest.raises(ValueError, match=f"data: .*{message}"):
        StreamCursor(stream, step, position).draw()


@pytest.mark.parametrize(
    ("stream", "message"),
    [([1.0, 2.0], "expected an iterator, an iterable or a function"),
     (3, "expected an iterator, an iterable or a function"),
     (lambda: iter([]), r"expected a function \(step\) -> iterator, got one that takes \(\)"),
     (lambda a, b: iter([]), "call it first if it is a generator function"),
     (lambda step: 3, "expected an iterator from the function of the step, got int 3")],
)  # fmt: skip
def test_what_is_no_stream_is_refused(stream, message):
    with pytest.raises(TypeError, match=f"data: .*{message}"):
        StreamCursor(stream, 0).draw()


@pytest.mark.parametrize(
    ("data", "expected"),
    [(iter([]), True), (range(3), True), (Loader(), True), (Counter(), True),
     (shuffled_function, True), (np.zeros(3), False), (jnp.zeros(3), False),
     ({"x": np.zeros(3)}, False), ([np.zeros(3)], False), ((np.zeros(3),), False),
     ("digits", False), (3, False), (None, False)],
)  # fmt: skip
def test_streams_are_told_from_data_that_is_all_there(data, expected):
    assert is_stream(data) is expected
