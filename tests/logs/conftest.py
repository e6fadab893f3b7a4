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
        for first in range(step, until, 5):
            rows = {name: array[first : first + 5] for name, array in metrics.items()}
            writer.write(first + 1, rows)
            if (first + 5) % 10 == 0:
                loss = float(np.float32(1 / (first + 5)))
                writer.validated(first + 5, {"loss": loss, "accuracy": 0.5})
            if (first + 5) % 20 == 0:
                writer.flush()

    return run


@pytest.fixture
def whole(go_on):
    """Write the log of all 40 steps."""

    def written(writer):
        writer.open(0)
        go_on(writer, 0)
        writer.close()
        return writer

    return written


@pytest.fixture
def shown():
    """What TensorBoard shows of a folder: tag -> [(step, value)]."""
    pytest.importorskip("tensorboardX.proto.event_pb2")
    import event_files

    return event_files.shown
