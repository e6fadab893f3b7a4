import json
import random
import time

import numpy as np
import pytest

# how fit resumes a stream; no public name reaches it
from paramjax.data.streams._position import Mark, Position, accessors, decode, encode

STATES = [
    None,
    True,
    -(2**100),
    0.1,
    "seen",
    b"\x00\xff",
    [],
    (),
    {},
    {"seen": 3, 7: (b"\x00", [None]), (1, "a"): {None: False}},
    random.Random(0).getstate(),
    np.random.default_rng(0).bit_generator.state,
]


def there_and_back(state):
    return decode(json.loads(json.dumps(encode(state))))


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_a_state_comes_back_equal_and_of_its_type(state):
    back = there_and_back(state)
    assert back == state
    assert repr(back) == repr(state)  # True is not 1, and a tuple no list


@pytest.mark.parametrize("dtype", ["?", "<i8", ">i4", "u1", "<f4", "<c16"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3)])
def test_arrays_come_back_to_the_bit(dtype, shape):
    numbers = np.random.default_rng(0).integers(0, 256, 400, np.uint8).tobytes()
    count = int(np.prod(shape))
    array = np.frombuffer(numbers, "u1")[:count].astype(dtype).reshape(shape)
    back = there_and_back(array)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, shape, array.tobytes())


@pytest.mark.parametrize("scalar", [np.float32(0.1), np.int64(7), np.bool_(True), np.float64(2)])
def test_scalars_of_numpy_stay_scalars_of_numpy(scalar):
    back = there_and_back(scalar)
    assert (type(back), back) == (type(scalar), scalar)


def test_not_a_number_and_infinities_come_back():
    back = there_and_back([float("inf"), -float("inf"), float("nan"), -0.0])
    assert repr(back) == "[inf, -inf, nan, -0.0]"


def test_what_is_written_shares_no_memory_with_the_state():
    state = {"rows": np.arange(3), "seen": [1]}
    written = encode(state)
    state["rows"][0], state["seen"][0] = 9, 9
    back = decode(written)
    assert back["rows"].tolist() == [0, 1, 2]
    assert back["seen"] == [1]
    back["rows"][0] = 5  # a state may be gone on with in place


class Flag(int):
    pass


@pytest.mark.parametrize(
    "state", [object(), {1, 2}, Flag(1), np.array(["a"]), np.array([None]), [lambda: 0]]
)
def test_what_would_not_come_back_as_it_was_is_refused(state):
    part = state[0] if isinstance(state, list) else state
    with pytest.raises(TypeError, match=f"position: expected numbers.* got {type(part).__name__}"):
        encode({"deep": [state]})


@pytest.mark.parametrize(
    "written", [{"a": 1}, ["set", [1]], ["bytes"], [1, 2, 3], ["array", ["<i4", 3, "AA=="]]]
)
def test_what_encode_does_not_write_is_not_read(written):
    with pytest.raises(ValueError, match="position: expected what encode writes"):
        decode(written)


@pytest.mark.parametrize(
    "written", [None, 3, {}, {"state": 1}, {"state": 1, "skip": -1}, {"state": 1, "skip": "2"}]
)
def test_what_is_no_position_is_not_read(written):
    with pytest.raises(ValueError, match="data: expected a position that a stream has saved"):
        Position.from_json(written)


def test_states_are_reached_by_the_methods_of_grain_or_torchdata():
    class Grain:
        def get_state(self):
            return 1

        def set_state(self, state):
            self.state = state

    class Torch:
        def state_dict(self):
            return 2

        def load_state_dict(self, state):
            self.state = state

    for thing, state in ((Grain(), 1), (Torch(), 2)):
        access = accessors(thing)
        assert access.get() == state
        access.set(5)
        assert thing.state == 5
    assert accessors(iter([])) is None


def test_a_state_is_read_again_after_some_batches_or_some_time():
    now = time.monotonic()
    assert not Mark(10, None, now + 60).is_old(73)
    assert Mark(10, None, now + 60).is_old(74)
    assert Mark(10, None, now - 1).is_old(11)
