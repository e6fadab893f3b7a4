import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file

import paramjax as pj
from paramjax.checkpoints import CheckpointStore, Keep, RunInUse

# where a save is held up, after the copy and before the first file
from paramjax.checkpoints import _write as write


@pytest.fixture
def gate(monkeypatch):
    """Saves wait here."""
    opened, write_arrays = threading.Event(), write.write_arrays

    def wait_first(*args):
        assert opened.wait(60)
        return write_arrays(*args)

    monkeypatch.setattr(write, "write_arrays", wait_first)
    yield opened
    opened.set()


def test_the_run_goes_on_while_files_are_written(open_store, gate, steps_in, entries, tmp_path):
    store = open_store()
    store.save(1, {"w": np.ones(3)}, {}, {}, {})  # it returns though no file can be written
    assert "step_000000001" not in entries(tmp_path / "run")
    gate.set()
    store.wait()
    assert steps_in(tmp_path / "run") == [1]


def test_ctrl_c_while_a_save_is_waited_for_leaves_the_folder_to_it(
    open_store, gate, tmp_path, monkeypatch
):
    store = open_store()
    store.save(1, {"w": np.ones(3)}, {}, {}, {})

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.close()
    with pytest.raises(RunInUse):
        open_store()
    gate.set()
    store.close()
    assert open_store().restore({"w": np.zeros(3)}).step == 1


def test_an_error_of_the_run_does_not_cost_the_save(steps_in, tmp_path):
    def run():
        with CheckpointStore(tmp_path, identity={}, program="") as store:
            store.save(1, {"w": np.ones(3)}, {}, {}, {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert steps_in(tmp_path) == [1]


def test_runs_of_several_threads_save_at_once(steps_in, tmp_path):
    def run(folder):
        with CheckpointStore(folder, identity={}) as store:
            for step in range(1, 6):
                store.save(step, {"w": np.full(300, step)}, {}, {}, {})
            assert store.restore({"w": np.zeros(300, int)}).step == 5

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, [tmp_path / str(number) for number in range(8)]))
    assert [steps_in(tmp_path / str(number)) for number in range(8)] == [[3, 4, 5]] * 8


@pytest.mark.parametrize("count", [3, 6])
def test_fits_in_threads_lose_no_checkpoint_and_no_array(steps_in, tmp_path, count):
    trainer = pj.train_step(
        lambda w, batch, key: (jnp.mean((w - batch[0]) ** 2), {}), optax.sgd(0.1)
    )

    def run(folder):
        return pj.fit(
            trainer, jnp.zeros((64, 64)), np.ones(8, np.float32), key=jax.random.key(0), steps=60,
            checkpoints=pj.Checkpoints(folder, every=20, keep=Keep(9)), progress=False,
        )  # fmt: skip

    folders = [tmp_path / str(number) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        fits = list(pool.map(run, folders))
    for folder, fit in zip(folders, fits, strict=True):
        assert steps_in(folder) == [20, 40, 60]
        arrays = load_file(folder / "step_000000060" / "arrays.safetensors")
        np.testing.assert_array_equal(arrays["params"], fit.params)
