import subprocess
import sys

import pytest

from paramjax._cache import cache_dir  # on from import; its folder has no public name

RUN = """
{before}
import paramjax
{after}
jax.jit(lambda x: x * 2 - 1)(jnp.ones(3)).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
print(jax.config.jax_persistent_cache_min_compile_time_secs)
"""
EARLY = "import jax, jax.numpy as jnp; jax.jit(lambda x: x + 1)(jnp.ones(3))"
IMPORT = "import jax, jax.numpy as jnp"


def run(tmp_path, before=IMPORT, after="", **env):
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu", **env}
    words = [sys.executable, "-c", RUN.format(before=before, after=after)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    return (*done.stdout.split(), done.stderr)


def test_moved_and_switched_off(monkeypatch, tmp_path):
    monkeypatch.setenv("PARAMJAX_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("PARAMJAX_CACHE_DIR", "off")
    assert cache_dir() is None
    monkeypatch.delenv("PARAMJAX_CACHE_DIR")
    assert cache_dir().parts[-2:] == ("paramjax", "xla")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("PARAMJAX_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "paramjax" / "xla"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "paramjax" / "xla"


@pytest.mark.parametrize("before", [pytest.param(IMPORT, marks=pytest.mark.slow), EARLY])
def test_the_first_program_after_import_is_kept(tmp_path, before):
    ours = tmp_path / "ours"
    folder, seconds, errors = run(tmp_path, before, PARAMJAX_CACHE_DIR=str(ours))
    assert (folder, float(seconds), errors) == (str(ours), 0.0, "")
    assert list(ours.glob("jit__lambda*"))


CONFIGURE = "jax.config.update('jax_compilation_cache_dir', {!r})"


@pytest.mark.parametrize(
    "when", [pytest.param("environment", marks=pytest.mark.slow), "before", "after"]
)
def test_a_cache_of_the_users_is_left_alone(tmp_path, when):
    users, ours = tmp_path / "users", tmp_path / "ours"
    env, text = {"PARAMJAX_CACHE_DIR": str(ours)}, CONFIGURE.format(str(users))
    if when == "environment":
        env["JAX_COMPILATION_CACHE_DIR"] = str(users)
    before = f"{IMPORT}; {text}" if when == "before" else IMPORT
    folder, seconds, _ = run(tmp_path, before, text if when == "after" else "", **env)
    assert folder == str(users)
    assert when == "after" or float(seconds) == 1.0  # as JAX has it
    assert not list(ours.glob("*"))


def test_jaxs_own_switch_counts(tmp_path):
    folder, *_ = run(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false")
    assert folder == "None"


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "cache"
    folder, _, errors = run(tmp_path, PARAMJAX_CACHE_DIR=str(place))
    assert folder == "None"
    assert errors.count("CacheWarning") == 1
    assert f"compiled programs are not kept, for {place} cannot be written" in errors


TRAINING = """
import jax, jax.monitoring, numpy as np, optax, warnings
import paramjax as pj
from paramjax.models import MLP
misses = []
jax.monitoring.register_event_listener(
    lambda event, **_: event.endswith("cache_misses") and misses.append(event)
)
x = np.zeros((4, 2), np.float32)
model = MLP((2, 1))
loss_fn = pj.losses.supervised(model.apply, pj.losses.squared_error)
params = model.init(jax.random.key(0), x)
run = pj.fit(pj.train_step(loss_fn, optax.adam(0.1)), params, {"x": x, "y": x[:, :1]},
             key=jax.random.key(0), steps=9, batch_size=2)
print(len(misses), float(run.history["loss"][-1]))
"""


def test_a_second_process_compiles_nothing(tmp_path):
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", TRAINING]
    first, second = (
        subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert int(first[0]) > 0
    assert second == ["0", first[1]]
