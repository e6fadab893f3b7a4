import jax
import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj


@pytest.fixture
def open_store(tmp_path):
    """Open a store of `tmp_path / "run"` that goes on; it is closed when the test ends."""
    opened = []

    def open_(folder=tmp_path / "run", **options):
        defaults = {"identity": {"key": [0, 7]}, "program": "program"}
        opened.append(pj.checkpoints.CheckpointStore(folder, **defaults | options))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def tree():
    """What a small run saves: the state of step 3, and the parameters to evaluate."""
    params = {"dense": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3, jnp.bfloat16)}}
    state = {"params": params, "key": jax.random.key(3), "step": jnp.int32(3)}
    return {"state": state, "params": params}


@pytest.fixture
def save(tree):
    """Save a step, and wait until it is on the disk; the bias tells the step."""
    history = {"loss": np.linspace(1, 0.5, 3, dtype=np.float32), "lr": np.full(3, 0.1, np.float32)}

    def save_(store, step, **options):
        bias = jnp.full(3, step, jnp.bfloat16)
        params = {"dense": tree["params"]["dense"] | {"bias": bias}}
        validation = {"step": np.array([step]), "loss": np.array([0.5], np.float32)}
        extra = {"position": {"epoch": step}}
        store.save(step, tree | {"params": params}, history, validation, extra, **options)
        store.wait()

    return save_


@pytest.fixture
def blank(tree):
    """A template of the tree, with other numbers."""
    other = {"key": jax.random.key(0), "step": jnp.int32(0)}
    params = jax.tree.map(jnp.zeros_like, tree["params"])
    return {"state": {"params": params, **other}, "params": params}


@pytest.fixture
def entries():
    """The names in a folder."""
    return lambda folder: sorted(path.name for path in folder.iterdir())


@pytest.fixture
def steps_in():
    """The steps of the checkpoints in a folder, each of them good."""

    def steps(folder):
        infos = pj.checkpoints.inspect(folder)
        assert [info.damage for info in infos] == [None] * len(infos)
        return [info.step for info in infos]

    return steps
