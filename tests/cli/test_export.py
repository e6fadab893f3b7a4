import builtins
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file

import paramjax as pj
from paramjax.checkpoints import CheckpointStore
from paramjax.checkpoints import _inspect as look
from paramjax.cli._export import write
from paramjax.cli._main import main

DATA = np.ones((4, 2), np.float32)


def train(folder, params):
    loss_fn = lambda p, batch, key: (sum((leaf**2).sum() for leaf in jax.tree.leaves(p)), {})
    trainer = pj.train_step(loss_fn, optax.sgd(0.1), [pj.hooks.ema(0.5)])
    return pj.fit(
        trainer, params, DATA, key=jax.random.key(0), steps=9, checkpoint_dir=folder,
        checkpoint_every=3,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    params = {
        "dense": {"w": jnp.ones((2, 3)), "b": jnp.ones(3, jnp.bfloat16)},
        "scale": jnp.ones(()),
    }
    return tmp_path / "run", train(tmp_path / "run", params)


def read_npz(file):
    with np.load(file, allow_pickle=False) as read:
        return dict(read)


def call(*words):
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return caught.value.code


def damage(folder, step):
    file = folder / f"step_{step:09d}" / "manifest.json"
    file.write_bytes(file.read_bytes()[:-9])


def test_safetensors_hold_what_is_to_be_evaluated(run, tmp_path, capsys):
    folder, fit = run
    out = tmp_path / "params.safetensors"
    assert call("export", folder, out) == 0
    assert "3 arrays, 10 numbers" in " ".join(capsys.readouterr().out.split())
    read = load_file(out)
    assert sorted(read) == ["dense/b", "dense/w", "scale"]
    for name, array in {
        "dense/w": fit.params["dense"]["w"],
        "dense/b": fit.params["dense"]["b"],
    }.items():
        assert read[name].tobytes() == np.asarray(array).tobytes()
        assert str(read[name].dtype) == str(array.dtype)
    assert not np.array_equal(read["dense/w"], fit.state.params["dense"]["w"])  # the average
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_npz_holds_numbers_that_numpy_knows(tmp_path, capsys):
    fit = train(tmp_path / "run", jnp.ones(3))
    assert call("export", tmp_path / "run", tmp_path / "w.npz") == 0
    with np.load(tmp_path / "w.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["params"], fit.params)


NUMBERS = {
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float16),
    "file": np.arange(3),
    "allow_pickle": np.array([True, False]),
    "a/b": np.array([1 + 2j], np.complex64),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_any_shape_and_name_comes_back(tmp_path, suffix):
    out = tmp_path / f"w{suffix}"
    write(out, NUMBERS)
    read = load_file(out) if suffix == ".safetensors" else read_npz(out)
    assert read.keys() == NUMBERS.keys()
    for name, array in NUMBERS.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()


def test_what_a_format_cannot_hold_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="safetensors cannot hold these arrays: .*complex128"):
        write(tmp_path / "w.safetensors", {"w": np.ones(1, complex)})
    with pytest.raises(ValueError, match="npz does not know int4, which w has"):
        write(tmp_path / "w.npz", {"w": np.ones(1, jnp.int4)})
    assert list(tmp_path.iterdir()) == []


def test_names_that_collide_are_told_apart(tmp_path):
    params = {"a/b": np.ones(1), "a": {"b": np.zeros(1)}}
    with CheckpointStore(tmp_path / "run", identity={}) as store:
        store.save(1, {"state": (), "params": params}, {}, {}, {})
    assert call("export", tmp_path / "run", tmp_path / "w.npz") == 0
    with np.load(tmp_path / "w.npz") as read:
        assert {name: read[name].item() for name in read} == {"['a/b']": 1.0, "['a']['b']": 0.0}


@pytest.mark.parametrize(
    ("params", "message"),
    [({"w": jax.random.key(0)}, "expected numbers as parameters, got key<fry>[] for params/w"),
     ({}, "it holds no parameters; pj.fit did not write it")],
    ids=["key", "none"],
)  # fmt: skip
def test_a_checkpoint_without_plain_parameters_is_refused(tmp_path, capsys, params, message):
    with CheckpointStore(tmp_path / "run", identity={}) as store:
        store.save(1, {"state": np.ones(1), "params": params}, {}, {}, {})
    assert call("export", tmp_path / "run", tmp_path / "w.npz") == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_where_none_is_good_nothing_is_written(run, tmp_path, capsys):
    folder, _ = run
    for step in (3, 6, 9):
        damage(folder, step)
    assert call("export", folder, tmp_path / "w.safetensors") == 2
    assert "none of the 3 checkpoints is as it was written" in capsys.readouterr().err
    assert not (tmp_path / "w.safetensors").exists()


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    train(tmp_path / "run", jnp.ones(3))
    assert call("export", "~/run", "~/w.npz") == 0
    assert (tmp_path / "w.npz").is_file()


def test_a_step_can_be_chosen(run, tmp_path):
    folder, _ = run
    assert call("export", folder, tmp_path / "a.safetensors", "--step", 6) == 0
    assert call("export", folder / "step_000000006", tmp_path / "b.safetensors") == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_damaged_checkpoint_is_passed_over_and_said(run, tmp_path, capsys):
    folder, _ = run
    damage(folder, 9)
    assert call("export", folder, tmp_path / "a.safetensors") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "step_000000009 is damaged: manifest.json" in said
    assert "step 6 is taken" in said


@pytest.mark.parametrize(
    ("out", "words", "message"),
    [
        ("w.npz", (), "npz does not know bfloat16, which dense/b has; write .safetensors"),
        ("w.pkl", (), "expected a file that ends in .npz or .safetensors, got w.pkl"),
        ("there.safetensors", (), "is there already; pass --force"),
        ("no/w.safetensors", (), "is no folder; make it first"),
        ("w.safetensors", ("--step", "5"), "no checkpoint of step 5; there are 3, 6, 9"),
        ("w.safetensors", ("--step", "9"), "the checkpoint of step 9 is damaged: manifest.json"),
    ],
)
def test_what_cannot_be_written_is_refused(run, tmp_path, capsys, out, words, message):
    folder, _ = run
    (tmp_path / "there.safetensors").touch()
    if "damaged" in message:
        damage(folder, 9)
    before = sorted(tmp_path.iterdir())
    assert call("export", folder, tmp_path / out, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.safetensors").read_bytes() == b""


def test_one_that_is_removed_before_it_is_read_is_said(run, tmp_path, capsys, monkeypatch):
    read = look.read_arrays

    def removed_first(path, leaves, chosen):
        shutil.rmtree(path)
        return read(path, leaves, chosen)

    monkeypatch.setattr(look, "read_arrays", removed_first)
    assert call("export", run[0], tmp_path / "w.safetensors") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "step_000000009: a run has just removed it; try again" in said
    assert not (tmp_path / "w.safetensors").exists()


def test_force_writes_over_a_file(run, tmp_path):
    out = tmp_path / "w.safetensors"
    out.write_text("old")
    assert call("export", run[0], out, "--force") == 0
    assert len(load_file(out)) == 3


def test_the_missing_package_is_named(run, tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="safetensors")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert call("export", run[0], tmp_path / "w.safetensors") == 2
    assert 'safetensors is missing: pip install "paramjax[export]"' in capsys.readouterr().err
