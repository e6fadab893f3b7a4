import random
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from paramjax.logs import CSV, JSONLines

KINDS = pytest.mark.parametrize("kind", [CSV, JSONLines])


def size_up_to(log, step):
    """Bytes of the lines, and of the header, that say something about steps up to one."""
    numbers = [re.search(rb"\d+", line) for line in log.splitlines()]
    kept = [
        line
        for line, number in zip(log.splitlines(keepends=True), numbers, strict=True)
        if line.startswith(b"step") or int(number[0]) <= step
    ]
    return sum(map(len, kept))


@KINDS
@pytest.mark.parametrize(("every", "step"), [(1, 5), (4, 10), (15, 20), (1, 40)])
def test_cut_off_at_any_byte_the_log_ends_as_if_nothing_had_been(
    kind, every, step, tmp_path, whole, go_on
):
    """All that a kill can leave after a flush at a step: the rest of the log up to any byte."""
    expected = whole(kind(tmp_path / "expected", every)).path.read_bytes()
    log = tmp_path / "log"
    writer = kind(log, every)
    writer.open(0)
    go_on(writer, 0, step)
    writer.flush()
    flushed = log.read_bytes()  # its header may lack columns that come later
    writer.close()
    safe = size_up_to(expected, step)
    sizes = {*range(safe, len(expected), 97), *range(len(expected) - 45, len(expected) + 1)}
    for content in [flushed, *(expected[: max(safe, size)] for size in sizes)]:
        log.write_bytes(content)
        writer.open(step)
        go_on(writer, step)
        writer.close()
        assert log.read_bytes() == expected


@KINDS
def test_a_rollback_forgets_what_came_after_it(kind, tmp_path, whole, go_on, metrics):
    expected = whole(kind(tmp_path / "expected")).path.read_bytes()
    writer = kind(tmp_path / "log")
    writer.open(0)
    go_on(writer, 0, 35)
    for step in (20, 10):
        writer.open(step)
        writer.write(step + 1, {name: 0 * array[:3] for name, array in metrics.items()})
    writer.open(10)
    go_on(writer, 10)
    writer.close()
    assert (tmp_path / "log").read_bytes() == expected


@KINDS
def test_the_length_of_chunks_changes_nothing(kind, tmp_path, whole, metrics):
    expected = whole(kind(tmp_path / "expected", every=3)).path.read_bytes()
    writer = kind(tmp_path / "log", every=3)
    writer.open(0)
    for step in range(40):
        writer.write(step + 1, {name: array[step : step + 1] for name, array in metrics.items()})
        if step % 10 == 9:
            accuracy = {"loss": np.float32(1 / (step + 1)), "accuracy": 0.5}
            writer.validated(step + 1, accuracy)
        if step % 7 == 6:
            writer.flush()
    writer.close()
    assert (tmp_path / "log").read_bytes() == expected


@KINDS
def test_a_run_that_begins_begins_the_log_anew(kind, tmp_path, whole):
    path = tmp_path / "logs" / "of" / "log"
    expected = whole(kind(path)).path.read_bytes()
    writer = whole(kind(path))
    assert path.read_bytes() == expected
    writer.open(0)
    assert path.read_bytes() == b""
    writer.close()


@KINDS
def test_other_files_are_refused(kind, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(ValueError, match=r"expected a log of a run, .* got another file at .*data"):
        kind(path).open(0)
    assert path.read_text() == "x,y\n1,2\n"
    path.write_bytes(bytes(100))  # what a power failure may leave
    writer = kind(path)
    writer.open(0)
    writer.close()


@KINDS
def test_a_path_that_cannot_be_written_is_refused_at_once(kind, tmp_path):
    (tmp_path / "file").write_text("")
    for path, error, shown in (
        (tmp_path, IsADirectoryError, "that is a folder; add the name of a file"),
        (tmp_path / "file" / "log", OSError, "a file is in the way; choose another place"),
    ):
        with pytest.raises(error, match=f"{kind.__name__}: {path} cannot be written: .*{shown}"):
            kind(path).open(0)


@KINDS
def test_wrong_settings_and_calls_are_refused(kind, tmp_path):
    with pytest.raises(ValueError, match=f"{kind.__name__}: every: expected a whole number from 1"):
        kind(tmp_path / "log", 0)
    with pytest.raises(TypeError, match=f"{kind.__name__}: every: expected a whole number, got"):
        kind(tmp_path / "log", 0.5)
    with pytest.raises(ValueError, match=r"log is not open; call open\(step\)"):
        kind(tmp_path / "log").flush()


@KINDS
def test_a_full_disk_changes_nothing_once_there_is_room(kind, tmp_path, whole, go_on, small_disk):
    """Every call is tried at sizes that fail, and then once more, as `Background` does."""
    expected = whole(kind(tmp_path / "expected")).path.read_bytes()
    calls = []

    class Recorder:
        def __getattr__(self, name):
            return lambda *arguments: calls.append((name, arguments))

    go_on(Recorder(), 0)
    writer = kind(tmp_path / "log")
    writer.open(0)
    failures = 0
    for name, arguments in [*calls, ("flush", ())]:
        for more in (0, 1, 17, 60):
            try:
                with small_disk((tmp_path / "log").stat().st_size + more):
                    getattr(writer, name)(*arguments)
                break
            except OSError:
                failures += 1
        else:
            getattr(writer, name)(*arguments)
    writer.close()
    assert failures > 20
    assert (tmp_path / "log").read_bytes() == expected


CHILD = textwrap.dedent("""
    import os, random, signal, sys, time, warnings
    import numpy as np
    from paramjax.logs._background import Background  # as fit drives the logs
    from paramjax.logs import CSV, JSONLines
    warnings.simplefilter("ignore", RuntimeWarning)  # nothing of jax runs before the forks
    folder, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    LOSS = np.random.default_rng(0).lognormal(size=4000).astype(np.float32)

    done = folder + "/done"

    def step_done():
        return int(open(done).read()) if os.path.exists(done) else 0

    def run():
        step = step_done()
        logs = Background([CSV(folder + "/log.csv"), JSONLines(folder + "/log.jsonl", 3)])
        logs.open(step)
        while step < 4000:
            logs.write(step + 1, {"loss": LOSS[step : step + 20]})
            step += 20
            if step % 100 == 0:
                logs.validated(step, {f"after_{step // 1000}": 1 / step})
                logs.flush()
                with open(done + ".new", "w") as file:
                    file.write(str(step))
                os.replace(done + ".new", done)
        logs.close()

    rng = random.Random(seed)
    killed = 0
    for _ in range(kills):
        before = step_done()
        child = os.fork()
        if not child:
            run()
            os._exit(0)
        while step_done() == before and before < 4000:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.015))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    run()
    print(killed)
""")


@pytest.mark.slow
def test_killed_at_random_moments_the_logs_are_those_of_a_run_that_was_not(tmp_path):
    """SIGKILL, and from the last checkpoint on again; columns are added on the way, too."""
    found = {}
    for kills in (0, 12):
        folder = tmp_path / str(kills)
        folder.mkdir()
        arguments = [str(folder), str(kills), "7"]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert kills / 2 <= int(done.stdout) <= kills  # the last ones may find it finished
        found[kills] = {
            path.name: path.read_bytes() for path in folder.iterdir() if path.name != "done"
        }
    assert sorted(found[12]) == ["log.csv", "log.jsonl"]
    assert found[12] == found[0]
    assert found[0]["log.csv"].count(b"\n") == 4001


def test_no_log_is_lost_in_a_file_with_zeros_at_its_end(tmp_path):
    """A power failure may leave blocks of zeros beyond what was flushed."""
    writer = CSV(tmp_path / "log.csv")
    writer.open(0)
    writer.write(1, {"loss": np.arange(5.0)})
    writer.close()
    before = writer.path.read_bytes()
    size = random.Random(0).randrange(100, 5000)
    writer.path.write_bytes(before + bytes(size) + b"\n" + bytes(9))
    writer.open(5)
    writer.close()
    assert writer.path.read_bytes() == before


@KINDS
@pytest.mark.parametrize("name", ["log.csv.gz", "log.XZ", "log.zip"])
def test_names_of_compressed_files_are_refused(kind, name, tmp_path):
    """Such a file is plain text, and pandas.read_csv would fail to decompress it."""
    with pytest.raises(ValueError, match="plain text"):
        kind(tmp_path / name)
    assert not list(tmp_path.iterdir())
