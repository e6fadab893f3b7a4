import gzip
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets

from paramjax import data


def test_bundled_data_are_sklearns():
    x, y = datasets.load_digits(return_X_y=True)
    np.testing.assert_allclose(data.digits()["x"] * 16, x)
    np.testing.assert_array_equal(data.digits()["y"], y)
    assert np.bincount(data.breast_cancer()["y"]).tolist() == [212, 357]


@pytest.mark.parametrize("load", [data.digits, data.breast_cancer])
def test_without_scikit_learn_the_error_names_the_extra(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "paramjax\[bench\]"'):
        load()


def test_table_refuses_labels_out_of_range_and_nan():
    with pytest.raises(ValueError, match="from 0 to 1, got 2 at row 1"):
        data.table(np.zeros((2, 1)), np.array([0, 2]), num_classes=2)
    with pytest.raises(ValueError, match="leaf x holds 1 values that are NaN"):
        data.table(np.array([[np.nan]]), np.array([0.0]))


def test_split_shares_no_row_and_keeps_proportions():
    rows = {"x": np.arange(1000.0)[:, None], "y": (np.arange(1000) % 10 == 0).astype(np.int32)}
    parts = data.split(rows)
    assert [len(part["y"]) for part in parts] == [600, 200, 200]
    seen = np.concatenate([part["x"][:, 0] for part in parts])
    assert sorted(seen) == list(range(1000))
    assert [int(part["y"].sum()) for part in parts] == pytest.approx([60, 20, 20], abs=1)
    again, other = data.split(rows), data.split(rows, seed=1)
    np.testing.assert_array_equal(parts.test["x"], again.test["x"])
    assert (parts.test["x"] != other.test["x"]).any()


def test_split_without_labels_and_too_few_rows():
    assert len(data.split({"x": np.zeros((5, 1))}).train["x"]) == 3
    with pytest.raises(ValueError, match="2 rows leave a part empty"):
        data.split({"x": np.zeros((2, 1))})
    for fractions in ((0.6, 0.2, 0.3), (0.8, 0.2), (0.5, 0.5, np.nan), None):
        with pytest.raises(ValueError, match="three positive shares that sum to 1"):
            data.split({"x": np.zeros((9, 1))}, fractions=fractions)


def test_standardise_learns_on_the_training_part_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (100, 2))
    x[:, 1] = 7.0
    parts = data.standardise(data.split({"x": x}))
    np.testing.assert_allclose(parts.train["x"].mean(0), 0, atol=1e-6)
    assert parts.train["x"][:, 0].std() == pytest.approx(1, rel=1e-5)
    assert not parts.test["x"][:, 1].any()
    assert abs(parts.test["x"][:, 0].mean()) > 1e-4


def test_order_is_a_function_of_key_and_epoch(key):
    order = np.asarray(data.batch_order(key, rows=6, batch_size=3, steps=6))
    epochs = order.reshape(3, 6)
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()
    np.testing.assert_array_equal(epochs[1], data.epoch_order(key, 1, 6))
    shorter = jax.jit(lambda k: data.batch_order(k, rows=6, batch_size=3, steps=5))(key)
    np.testing.assert_array_equal(shorter, order[:5])
    assert shorter.dtype == jnp.int32


def test_rows_left_over_at_the_end_of_an_epoch_are_dropped(key):
    order = np.asarray(data.batch_order(key, rows=7, batch_size=3, steps=3))
    np.testing.assert_array_equal(order[2], data.epoch_order(key, 1, 7)[:3])


def test_batch_larger_than_data_is_refused(key):
    with pytest.raises(ValueError, match="at most the 7 rows of the data, got 8"):
        data.batch_order(key, rows=7, batch_size=8, steps=1)


def write_idx(path, array, code):
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(bytes([0, 0, code, array.ndim]) + shape + array.tobytes())


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (12, ">i4"), (14, ">f8")])
def test_idx_round_trip(tmp_path, code, dtype):
    array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    write_idx(tmp_path / "a-idx3", array, code)
    np.testing.assert_array_equal(data.read_idx(tmp_path / "a-idx3"), array)
    assert data.read_idx(tmp_path / "a-idx3").dtype.isnative


def test_idx_gzipped_under_either_name(tmp_path):
    write_idx(tmp_path / "a", np.arange(3, dtype="u1"), 8)
    (tmp_path / "b.gz").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    assert data.read_idx(tmp_path / "b").tolist() == [0, 1, 2]
    assert data.read_idx(tmp_path / "a.gz").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"GIF89a..", "not an IDX file, it starts with 47 49 46 38"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 9, 1]), "expected 9 bytes of values .* got 1"),
        (bytes([0, 0, 8, 3, 0, 0]), "cut short"),
        (
            gzip.compress(bytes([0, 0, 8, 1, 0, 0, 3, 232]) + bytes(1000), mtime=0)[:-9],
            "damaged gzip file",
        ),
        (
            gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 9]), mtime=0)[:-12] + b"\xff" * 12,
            "damaged gzip file",
        ),
    ],
)
def test_damaged_idx_is_refused(tmp_path, content, message):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        data.read_idx(tmp_path / "bad")


@pytest.mark.parametrize(
    "shape", [(2**28,), pytest.param((2**31, 2**31), marks=pytest.mark.slow), (3,)]
)
def test_a_small_archive_does_not_become_gigabytes(tmp_path, shape):
    """A quarter of a gigabyte of zeros, in 260 kB."""
    lengths = b"".join(length.to_bytes(4, "big") for length in shape)
    with gzip.open(tmp_path / "bomb.gz", "wb") as file:
        file.write(bytes([0, 0, 8, len(shape)]) + lengths)
        for _ in range(2**8):
            file.write(bytes(2**20))
    assert (tmp_path / "bomb.gz").stat().st_size < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"about as large as its file|got more; the file"):
            data.read_idx(tmp_path / "bomb.gz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_missing_idx_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nor train.gz\); MNIST and Fashion-MNIST"):
        data.read_idx(tmp_path / "train")
    with pytest.raises(FileNotFoundError, match="it is a folder"):
        data.read_idx(tmp_path)
    for content, message in ((b"", "it is empty"), (bytes([0, 0, 8, 255] + 1020 * [0]), "got 255")):
        (tmp_path / "odd").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            data.read_idx(tmp_path / "odd")


def test_published_mnist(shared_data):
    labels = data.read_idx(shared_data / "mnist" / "t10k-labels-idx1-ubyte.gz")
    images = data.read_idx(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    # the counts of the published test set
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images.shape == (10_000, 28, 28)


def test_split_by_given_classes_says_what_it_cannot_keep():
    rows = {"x": np.arange(40.0)[:, None]}
    labels = np.arange(40) % 4 == 0
    parts = data.split(rows, stratify=labels)
    assert [int(labels[part["x"][:, 0].astype(int)].sum()) for part in parts] == [6, 2, 2]
    with pytest.raises(ValueError, match="two classes or more, got only False"):
        data.split(rows, stratify=np.zeros(40, bool))
    with pytest.raises(ValueError, match="a label for each of the 40 rows"):
        data.split(rows, stratify=labels[:9])
    with pytest.raises(TypeError, match="integers"):
        data.split(rows, stratify=labels.astype(float))
    few = np.zeros(40, int)
    few[3] = 1
    with pytest.warns(UserWarning, match="no row of class 1") as warned:
        data.split(rows, stratify=few)
    assert len(warned) == 2  # one part has the row, two have not
    assert "part has no row of class 1, which has 1 rows" in str(warned[0].message)
