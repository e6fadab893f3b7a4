import subprocess
import sys

import pytest

from paramjax._cache import cache_dir  # fit turns it on; its folder has no public name

SCRIPT = """
import jax, jax.numpy as jnp
jax.jit(lambda x: x + 1)(jnp.ones(3))          # JAX has decided about its cache by now
{before}
from paramjax._cache import enable_cache
enable_cache()
jax.jit(lambda x: x * 2 - 1)(jnp.ones(3)).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def test_moved_and_switched_off(monkeypatch, tmp_path):
    monkeypatch.setenv("PARAMJAX_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("PARAMJAX_CACHE_DIR", "off")
    assert cache_dir() is None
    monkeypatch.delenv("PARAMJAX_CACHE_DIR")
    assert cache_dir().parts[-2:] == ("paramjax", "xla")


@pytest.mark.parametrize("own", [False, True])
def test_programs_are_kept_even_after_an_early_compilation(tmp_path, own):
    users, ours = tmp_path / "users", tmp_path / "ours"
    before = f"jax.config.update('jax_compilation_cache_dir', {str(users)!r})" if own else ""
    env = {"PARAMJAX_CACHE_DIR": str(ours), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    script = SCRIPT.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(users if own else ours)
    assert ours.exists() is not own
    assert own or list(ours.glob("jit__lambda*"))
