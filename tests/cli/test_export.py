import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from paramjax.checkpoints import CheckpointStore
from paramjax.checkpoints import _inspect as inspection  # to remove a checkpoint while it is read
from paramjax.cli._export import write  # arrays that no run has


def damage(folder, *steps):
    for step in steps:
        file = folder / f"step_{step:09d}" / "manifest.json"
        file.write_bytes(file.read_bytes()[:-9])


@pytest.fixture
def saved(tmp_path):
    """Save one checkpoint of a tree, and return its folder."""

    def save(tree):
        with CheckpointStore(tmp_path / "saved", identity={}) as store:
            store.save(1, tree, {}, {}, {})
        return tmp_path / "saved"

    return save


def test_safetensors_hold_what_is_to_be_evaluated(paramjax, run, tmp_path):
    folder, fit = run
    out = tmp_path / "params.safetensors"
    code, printed, _ = paramjax("export", folder, out)
    assert code == 0
    assert "2 arrays, 3 numbers" in " ".join(printed.split())
    read = load_file(out)
    assert sorted(read) == ["dense/b", "dense/w"]
    for name, array in read.items():
        expected = np.asarray(fit.params["dense"][name[-1]])
        assert (array.tobytes(), array.dtype) == (expected.tobytes(), expected.dtype)
    assert not np.array_equal(read["dense/w"], fit.state.params["dense"]["w"])  # the average
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.safetensors", "run"]


def read_npz(file):
    with np.load(file, allow_pickle=False) as read:
        return dict(read)


NUMBERS = {
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float16),
    "file": np.arange(3),
    "allow_pickle": np.array([True, False]),
    "a/b": np.array([1 + 2j], np.complex64),
}


@pytest.mark.parametrize(("suffix", "read"), [(".npz", read_npz), (".safetensors", load_file)])
def test_any_shape_and_name_comes_back(tmp_path, suffix, read):
    write(tmp_path / f"w{suffix}", NUMBERS)
    found = read(tmp_path / f"w{suffix}")
    assert found.keys() == NUMBERS.keys()
    for name, array in NUMBERS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_what_a_format_cannot_hold_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="safetensors cannot hold these arrays: .*complex128"):
        write(tmp_path / "w.safetensors", {"w": np.ones(1, complex)})
    with pytest.raises(ValueError, match="npz cannot hold int4, the dtype of w"):
        write(tmp_path / "w.npz", {"w": np.ones(1, jnp.int4)})
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_folder_and_a_lone_array_is_called_params(
    paramjax, saved, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved({"state": (), "params": np.arange(3.0)})
    assert paramjax("export", "~/saved", "~/w.npz").code == 0
    np.testing.assert_array_equal(read_npz(tmp_path / "w.npz")["params"], [0, 1, 2])


def test_names_that_collide_stay_distinct(paramjax, saved, tmp_path):
    params = {"a/b": np.ones(1), "a": {"b": np.zeros(1)}}
    assert paramjax("export", saved({"state": (), "params": params}), tmp_path / "w.npz").code == 0
    read = {name: array.item() for name, array in read_npz(tmp_path / "w.npz").items()}
    assert read == {"['a/b']": 1.0, "['a']['b']": 0.0}


@pytest.mark.parametrize(
    ("params", "message"),
    [({"w": jax.random.key(0)}, "expected numbers as parameters, got key<fry>[] for params/w"),
     ({}, "it holds no parameters; pj.fit did not write it")],
    ids=["key", "none"],
)  # fmt: skip
def test_a_checkpoint_without_plain_parameters_is_refused(
    paramjax, saved, tmp_path, params, message
):
    folder = saved({"state": np.ones(1), "params": params})
    code, _, err = paramjax("export", folder, tmp_path / "w.npz")
    assert code == 2
    assert message in err


def test_a_step_can_be_chosen(paramjax, run, tmp_path):
    folder, _ = run
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    assert paramjax("export", folder, files[0], "--step", 6).code == 0
    assert paramjax("export", folder / "step_000000006", files[1]).code == 0
    # a damaged one is passed over
    damage(folder, 9)
    code, _, err = paramjax("export", folder, files[2])
    assert code == 0
    assert "step_000000009 is damaged: manifest.json" in err
    assert "step 6 is taken" in err
    assert len({file.read_bytes() for file in files}) == 1


def test_where_all_are_damaged_nothing_is_written(paramjax, run, tmp_path):
    damage(run[0], 3, 6, 9)
    code, _, err = paramjax("export", run[0], tmp_path / "w.safetensors")
    assert code == 2
    assert "all 3 checkpoints are damaged" in err
    assert not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize(
    ("out", "words", "message"),
    [
        ("w.npz", (), "npz cannot hold bfloat16, the dtype of dense/b; write .safetensors"),
        ("w.pkl", (), "expected a file that ends in .npz or .safetensors, got w.pkl"),
        ("there.safetensors", (), "there.safetensors exists; pass --force"),
        ("no/w.safetensors", (), "no; make it first"),
        ("w.safetensors", ("--step", "5"), "no checkpoint of step 5; there are 3, 6, 9"),
        ("w.safetensors", ("--step", "9"), "the checkpoint of step 9 is damaged: manifest.json"),
    ],
)
def test_what_cannot_be_written_is_refused(paramjax, run, tmp_path, out, words, message):
    (tmp_path / "there.safetensors").touch()
    if "damaged" in message:
        damage(run[0], 9)
    before = sorted(tmp_path.iterdir())
    code, _, err = paramjax("export", run[0], tmp_path / out, *words)
    assert code == 2
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.safetensors").read_bytes() == b""


def test_force_overwrites_a_file(paramjax, run, tmp_path):
    out = tmp_path / "w.safetensors"
    out.write_text("old")
    assert paramjax("export", run[0], out, "--force").code == 0
    assert len(load_file(out)) == 2


def test_one_that_is_removed_before_it_is_read_is_said(paramjax, run, tmp_path, monkeypatch):
    read = inspection.read_arrays

    def removed_first(path, leaves, chosen):
        shutil.rmtree(path.parent)
        return read(path, leaves, chosen)

    monkeypatch.setattr(inspection, "read_arrays", removed_first)
    code, _, err = paramjax("export", run[0], tmp_path / "w.safetensors")
    assert code == 2
    assert "step_000000009: a run has just removed it; try again" in err
    assert not (tmp_path / "w.safetensors").exists()
