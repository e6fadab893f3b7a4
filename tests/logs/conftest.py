import contextlib
import resource

import numpy as np
import pytest


@pytest.fixture
def small_disk():
    """Files that cannot grow beyond a size; a write that crosses it is cut short."""

    @contextlib.contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture(scope="session")
def metrics():
    """Training metrics of 40 steps: scalars of several types, and an array."""
    rng = np.random.default_rng(0)
    loss = rng.lognormal(size=40, sigma=8).astype(np.float32)
    loss[[3, 10, 11]] = np.nan, np.inf, -np.inf
    return {
        "loss": loss,
        "of_class": rng.normal(size=(40, 2)).astype(np.float32),
        "skipped": np.arange(40, dtype=np.int32) // 7,
    }


@pytest.fixture(scope="session")
def go_on(metrics):
    """What a run calls: chunks of 5 steps, validations every 10, flushes every 20."""

    def run(writer, step, until=40):
        while step < until:
            writer.write(
                step + 1, {name: array[step : step + 5] for name, array in metrics.items()}
            )
            step += 5
            if step % 10 == 0:
                writer.validated(step, {"loss": float(np.float32(1 / step)), "accuracy": 0.5})
            if step % 20 == 0:
                writer.flush()

    return run
