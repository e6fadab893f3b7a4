"""A log between two starts: cut, deleted, flipped, of another run, or with a line too many."""

import random
import warnings

import numpy as np
import pytest

from paramjax.checkpoints import RunInUse
from paramjax.logs import CSV, JSONLines, TensorBoard, WriterWarning

KINDS = pytest.mark.parametrize("kind", [CSV, JSONLines])
STEPS = 20
EVERY = pytest.mark.parametrize("every", [1, 3, 7, 50])


@pytest.fixture
def done(metrics):
    """What a checkpoint holds after 20 steps: history, and validations of steps 10 and 20."""
    history = {name: array[:STEPS] for name, array in metrics.items()}
    steps = np.array([10, 20])
    loss = (1 / steps).astype(np.float32)
    return history, {"step": steps, "loss": loss, "accuracy": np.full(2, 0.5, np.float32)}


@pytest.fixture
def written(done):
    """Write the log of the 20 steps as a run does, and close it."""

    def write(writer):
        history, validation = done
        writer.open(0)
        for first in range(0, STEPS, 5):
            rows = {name: array[first : first + 5] for name, array in history.items()}
            writer.write(first + 1, rows)
            for step, loss in zip(
                *map(list, (validation["step"], validation["loss"])), strict=True
            ):
                if step == first + 5:
                    writer.validated(int(step), {"loss": float(loss), "accuracy": 0.5})
        writer.close()
        return writer

    return write


@KINDS
@EVERY
def test_a_whole_log_goes_on_without_a_word(kind, every, tmp_path, written, done):
    writer = written(kind(tmp_path / "log", every))
    whole = writer.path.read_bytes()
    for beyond in (b"", b"21,0.5", b"\0\0"):
        writer.path.write_bytes(whole + beyond)
        writer.resume(STEPS, *done)
        writer.close()
        assert writer.path.read_bytes() == whole


def damages(whole, rng):
    lines = whole.splitlines(keepends=True)
    place = rng.randrange(len(whole))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << rng.randrange(7)
    row = rng.randrange(len(lines))
    return {
        "flipped": bytes(flipped), "cut": whole[:place], "deleted": b"", "zeros": bytes(len(whole)),
        "a line lost": b"".join(lines[:row] + lines[row + 1 :]),
        "a line twice": b"".join(lines[:row] + lines[row : row + 1] + lines[row:]),
        "lines swapped": b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
    }  # fmt: skip


@KINDS
@pytest.mark.parametrize("every", [1, 3])
def test_whatever_happened_between_two_starts_the_log_is_whole_and_it_is_said(
    kind, every, tmp_path, written, done
):
    writer = written(kind(tmp_path / "log", every))
    whole, rng = writer.path.read_bytes(), random.Random(0)
    told = 0
    for _ in range(10):
        for damage, content in damages(whole, rng).items():
            writer.path.write_bytes(content)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                writer.resume(STEPS, *done)
            writer.close()
            assert writer.path.read_bytes() == whole, damage
            told += bool(said)
            for warning in said:
                assert "was written again from the history" in str(warning.message)
                assert warning.category is WriterWarning
            # a cut within the last line, whose end holds nothing but commas, need not be told
            assert said or content == whole or damage in ("cut", "flipped", "a line twice"), damage
    assert told >= 60


@KINDS
def test_a_log_that_was_deleted_is_written_again(kind, tmp_path, written, done):
    writer = written(kind(tmp_path / "log"))
    whole = writer.path.read_bytes()
    writer.path.unlink()
    with pytest.warns(WriterWarning, match=r"log of the 20 steps .*: it was empty; it was written"):
        writer.resume(STEPS, *done)
    writer.close()
    assert writer.path.read_bytes() == whole


@KINDS
@EVERY
@pytest.mark.parametrize("validations", [0, 1, 2])
def test_a_validation_after_the_last_checkpoint_is_not_written_twice(
    kind, every, validations, tmp_path, done
):
    """Where steps is no multiple of `every`, the last comes behind the checkpoint."""
    history, validation = done
    history = {name: array[:19] for name, array in history.items()}
    validation = {name: array[:validations] for name, array in validation.items()}
    validation["step"] = np.array([7, 14])[:validations]
    last = {"loss": 0.125, "accuracy": 0.75}

    def start(writer):
        writer.open(0)
        writer.write(1, history)
        writer.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WriterWarning)  # its validations are written again
            writer.resume(19, history, validation)
        writer.validated(19, last)
        writer.close()

    writer = kind(tmp_path / "log", every)
    start(writer)
    whole = writer.path.read_bytes()
    for _ in range(2):
        writer.resume(19, history, validation)
        writer.validated(19, last)
        writer.close()
        assert writer.path.read_bytes() == whole
    assert whole.count(b"0.125") == 1


@KINDS
def test_the_log_of_another_run_is_refused_and_left_alone(kind, tmp_path, written, done, metrics):
    writer = kind(tmp_path / "log")
    writer.open(0)
    writer.write(1, {name: array[20:40] for name, array in metrics.items()})
    writer.close()
    before = writer.path.read_bytes()
    with pytest.raises(ValueError, match=r"expected the log of this run, got another .* delete it"):
        writer.resume(STEPS, *done)
    assert writer.path.read_bytes() == before


FOREIGN_CSV = [
    "x,y\n1,2\n", "stepwise,y\n1,2\n", "step;loss\n1;0.5\n", "step,loss\n2,0.5\n1,0.25\n",
    "step,loss\n1,0.50\n", "step,loss\n1,a\n", "step,loss\r\n1,0.5\r\n", '"step",loss\n1,0.5\n',
    "step,loss\n1,0.5,3\n", "step,date\n1,2026-01-01\n", "step,loss\n1, 0.5\n", "step\n1.5\n",
    "my notes", "stairs", "step,loss,loss\nx",
]  # fmt: skip
FOREIGN_JSONL = [
    '{"x": 1}\n', '{"step": 1, "note": "mine"}\n', '{"step":1,"loss":0.5}\n', "[1, 2]\n",
    '{"step": 2, "loss": 0.5}\n{"step": 1, "loss": 0.5}\n', '{"step": 1, "a": [1]}\n', "notes",
    '{"step": 1, "a": {"b": 2}}\n', '{"step": 1} \n', '{"step": "1"}\n', '{"a": 1, "step": 2}\n',
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content"),
    [*((CSV, text) for text in FOREIGN_CSV), *((JSONLines, text) for text in FOREIGN_JSONL)],
)
def test_a_file_of_somebody_else_is_refused_and_left_alone(kind, content, tmp_path, done):
    path = tmp_path / "data"
    path.write_bytes(content.encode())
    writer = kind(path)
    message = f"{kind.__name__}: expected a log of a run, .* got another file at .*; choose another"
    for step in (0, STEPS):
        with pytest.raises(ValueError, match=message):
            writer.open(step)
    with pytest.raises(ValueError, match="got another file at"):
        writer.resume(STEPS, *done)
    assert path.read_bytes() == content.encode()


@pytest.mark.parametrize("kind", [CSV, JSONLines, TensorBoard])
def test_two_runs_on_one_log_are_refused(kind, tmp_path, done, written):
    path = tmp_path / "log"
    first = kind(path)
    first.open(0)
    for start in (lambda writer: writer.open(0), lambda writer: writer.resume(STEPS, *done)):
        with pytest.raises(RunInUse, match=f"{kind.__name__}: .*log.* is in use by another run"):
            start(kind(path))
    first.write(1, {"new column": np.ones(3, np.float32)})
    first.validated(3, {"newer": 1.0})
    first.flush()
    with pytest.raises(RunInUse):  # a file that was rewritten is held, too
        kind(path).open(0)
    first.close()
    second = kind(path)
    second.open(0)
    second.close()


@pytest.mark.parametrize("every", [1, 4])
def test_events_that_are_missing_or_damaged_are_written_again(
    tmp_path, every, written, done, shown
):
    writer = written(TensorBoard(tmp_path / "events", every))
    (path,) = writer.path.iterdir()
    whole, expected = path.read_bytes(), shown(writer.path)
    rng = random.Random(0)
    for number in range(12):
        place = rng.randrange(100, len(whole) - 1)
        flipped = bytearray(whole)
        flipped[place] ^= 4
        content = (bytes(flipped), whole[:place], b"")[number % 3]
        for other in writer.path.iterdir():
            other.unlink()
        path.write_bytes(content)
        with pytest.warns(WriterWarning, match=r"lacked \d+ events of the 20 .* written again"):
            writer.resume(STEPS, *done)
        writer.close()
        np.testing.assert_equal(shown(writer.path, strict=False), expected)
    assert len(list(writer.path.iterdir())) == 2
    writer.resume(STEPS, *done)  # now all is there
    writer.close()
    np.testing.assert_equal(shown(writer.path, strict=False), expected)


def test_a_last_validation_is_not_shown_twice(tmp_path, written, done, shown):
    history, validation = done
    writer = written(TensorBoard(tmp_path))
    expected = shown(tmp_path)
    before = {name: array[:1] for name, array in validation.items()}  # the second came too late
    for _ in range(2):
        writer.resume(STEPS, history, before)
        writer.validated(20, {"loss": float(validation["loss"][1]), "accuracy": 0.5})
        writer.close()
        np.testing.assert_equal(shown(tmp_path), expected)


def test_a_run_that_goes_on_forgets_the_validation_at_its_former_end(tmp_path, done, shown):
    """Asked for all steps at once, it would not have made it."""
    history, validation = done
    none = {name: array[:0] for name, array in validation.items()}
    writer = TensorBoard(tmp_path, every=2)
    writer.open(0)
    writer.write(1, history)
    writer.close()
    expected = shown(tmp_path)
    writer.resume(STEPS, history, none)
    writer.validated(STEPS, {"loss": 0.5})
    writer.close()
    assert shown(tmp_path)["validation/loss"] == [(STEPS, 0.5)]
    writer.resume(STEPS, history, none)
    writer.close()
    found = {tag: values for tag, values in shown(tmp_path).items() if values}
    np.testing.assert_equal(found, expected)


def test_the_events_of_another_program_are_left_alone(tmp_path, done):
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path)) as other:
        other.add_scalar("loss", 0.5, 1)
    (path,) = tmp_path.iterdir()
    for start in (lambda writer: writer.open(0), lambda writer: writer.resume(STEPS, *done)):
        with pytest.raises(ValueError, match="a folder of its own, .*events of another program"):
            start(TensorBoard(tmp_path))
    assert list(tmp_path.iterdir()) == [path]
