import ml_dtypes
import numpy as np
import pytest

from paramjax.checkpoints import _blocks as blocks
from paramjax.checkpoints._arrays import read_arrays, write_arrays
from paramjax.checkpoints._blocks import block_sizes, pack, places
from paramjax.checkpoints._host import to_host

ARRAYS = {
    "small": np.arange(3, dtype=np.int16),
    "scalar": np.float64(2.5),
    "empty": np.zeros((0, 4), np.float32),
    "brain": np.arange(5).astype(ml_dtypes.bfloat16),
    "large": np.arange(40, dtype=np.float32).reshape(5, 8).T,
    "last": np.array([True, False]),
}


@pytest.fixture(params=[1, 16, 20, 2**26])
def _block_bytes(request, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("_block_bytes")
def test_places_follow_each_other_without_gaps():
    sizes = {name: np.asarray(array).nbytes for name, array in ARRAYS.items()}
    placed = places(sizes)
    assert {name: place.end - place.start for name, place in placed.items()} == sizes
    assert sum(block_sizes(placed)) == sum(sizes.values())
    assert [block.nbytes for block in pack({n: np.asarray(a) for n, a in ARRAYS.items()})] == (
        block_sizes(placed)
    )


@pytest.mark.usefixtures("_block_bytes")
@pytest.mark.parametrize("chosen", [None, ["large"], ["empty"], ["last", "small"]])
def test_what_is_written_is_read_bit_by_bit(tmp_path, chosen):
    stored = {name: to_host(array) for name, array in ARRAYS.items()}
    write_arrays(tmp_path, {name: leaf.array for name, leaf in stored.items()})
    read = read_arrays(tmp_path, {name: leaf.described() for name, leaf in stored.items()}, chosen)
    assert list(read) == (chosen or list(ARRAYS))
    for name, array in read.items():
        expected = np.asarray(ARRAYS[name])
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == np.ascontiguousarray(expected).tobytes()
        assert array.flags.owndata or array.base.flags.owndata


def test_a_large_array_is_not_copied():
    large = np.zeros(100, np.float32)
    assert np.shares_memory(pack({"large": large})[0], large)
