"""What every test shares: the compilation cache, strict broadcasting, compiled fixtures, room."""

from __future__ import annotations

import gc
import os
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
os.environ.setdefault("PARAMJAX_CACHE_DIR", str(ROOT / ".cache" / "xla"))
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("PARAMJAX_OFFLINE", "1")  # no test waits for a server


def quick_to_compile():
    """XLA's options under which programs compile in half the time, with the same arithmetic.

    Most of the suite's time is compilation. `XLA_FLAGS= make test` compiles as users do.
    """
    flags = ["--xla_backend_optimization_level=0"]
    # newer ones have no other way, and refuse the option
    if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    return " ".join(flags)


os.environ.setdefault("XLA_FLAGS", quick_to_compile())

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.losses import squared_error, supervised

jax.config.update("jax_numpy_rank_promotion", "raise")


MAPS = Path("/proc/self/maps")
MOST_MAPS = 10_000
"""Linux ends a process at 65,530 mappings of memory; each compiled program takes several."""


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Forget compiled programs once a file has left many of them."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def line():
    """Rows of y = 3x + 2 without noise, so that every optimum is known."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    return {"x": x, "y": 3 * x + 2}


@pytest.fixture(scope="session")
def sine():
    """The sine of the sum of three normal inputs, in 16 rows."""
    x = jax.random.normal(jax.random.key(3), (16, 3))
    return {"x": x, "y": jnp.sin(x.sum(axis=1, keepdims=True))}


@pytest.fixture(scope="session")
def line_loss():
    """The mean squared error of a line with slope `w` and intercept `b`."""
    return supervised(_line, squared_error)


@pytest.fixture
def line_params():
    """A line through the origin with slope 0."""
    return {"w": jnp.zeros((1, 1)), "b": jnp.zeros((1, 1))}


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data, or a skip that says where it was sought."""
    places = [os.environ.get("PARAMJAX_DATA"), ROOT.parent / "shared" / "data"]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("no data folder: set PARAMJAX_DATA to one with mnist/ and fashion_mnist/")


def _line(params, x):
    return x @ params["w"] + jnp.broadcast_to(params["b"], (x.shape[0], 1))
