"""What is changed, deleted or put back in a benchmark's folder is noticed."""

import json
import multiprocessing
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from paramjax._locks import RunInUse
from paramjax.bench import (
    Benchmark,
    NoRecordsError,
    Plan,
    Protocol,
    read_results,
    write_results,
)
from paramjax.bench._folder import clear, hold
from paramjax.bench._look_over import output_notices
from paramjax.bench._stored import store_path
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from paramjax.tuning import DamagedError
from tests.bench.conftest import ROWS, loss_fn, sgd, start

WORKLOAD = Workload(
    name="rows", init=start, data=ROWS, batch_size=4, loss_fn=loss_fn, metric="loss", margin=0.01
)
STORES = ("records/rows/sgd.sqlite", "records/rows/adam.sqlite")


def plan(out, replicates=3, **more):
    return Plan(
        workloads=[WORKLOAD], entries=[entry_of("sgd", sgd), entry_of("adam", "adam")],
        baseline="sgd", protocol=Protocol(replicates=replicates, trials=2, steps=4), out=out,
        **more,
    )  # fmt: skip


def run(out, replicates=3):
    """Bench and write; the notices."""
    benchmark = Benchmark(plan(out, replicates))
    write_results(benchmark.run(), out)
    return benchmark.notices


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder after two replicates, and after three."""
    place = tmp_path_factory.mktemp("bench")
    assert run(place / "three", 2) == []
    shutil.copytree(place / "three", place / "two")
    assert run(place / "three") == []
    return place


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished / "three", tmp_path / "out")


def verdicts(out):
    return (out / "verdicts.json").read_bytes()


def test_an_untouched_folder_gives_no_notice_and_the_same_verdicts(out):
    before = verdicts(out)
    assert run(out) == []
    assert verdicts(out) == before
    assert output_notices(out, read_results(out).manifest) == []


def put_older_back(out, finished):
    shutil.copy(finished / "two" / STORES[0], out / STORES[0])
    return "sgd.sqlite: expected the 12 trainings that manifest.json knows of, got 8"


def put_other_there(out, finished):
    shutil.copy(out / STORES[1], out / STORES[0])
    return "sgd.sqlite: expected its own trainings, got those of adam on rows"


def delete_rows(out, finished):
    with closing(sqlite3.connect(out / STORES[0])) as db, db:
        db.execute("DELETE FROM trainings WHERE trial = 1")
    return "sgd.sqlite.*rows were deleted"


def delete_rows_and_mend_the_seal(out, finished):
    """As somebody would who knows the format: the newest trainings, and the seal of before."""
    with closing(sqlite3.connect(finished / "two" / STORES[0])) as db:
        seal = db.execute("SELECT total, rows FROM seal").fetchone()
        keep = {row[0] for row in db.execute("SELECT hash FROM trainings")}
        settings = db.execute("SELECT * FROM settings").fetchall()
    with closing(sqlite3.connect(out / STORES[0])) as db, db:
        for trial, seed, digest in db.execute("SELECT trial, seed, hash FROM trainings").fetchall():
            if digest not in keep:
                for table in ("trainings", "arrays"):
                    db.execute(f"DELETE FROM {table} WHERE trial=? AND seed=?", (trial, seed))
        db.execute("DELETE FROM settings")
        db.executemany("INSERT INTO settings VALUES (?, ?, ?)", settings)
        db.execute("UPDATE seal SET total = ?, rows = ?", seal)
    return "sgd.sqlite: expected the 12 trainings"


@pytest.mark.parametrize(
    "damage", [put_older_back, put_other_there, delete_rows, delete_rows_and_mend_the_seal]
)
def test_stores_that_lack_trainings_are_refused(out, finished, damage):
    message = damage(out, finished)
    with pytest.raises(DamagedError, match=message):
        read_results(out)
    with pytest.raises(DamagedError, match=message):
        Benchmark(plan(out))
    (out / STORES[0]).unlink()  # as the message says
    before = verdicts(out)
    (notice,) = run(out)
    assert "sgd.sqlite is gone; its trainings are made anew" in notice
    assert verdicts(out) == before


def test_a_store_that_is_gone_is_no_optimizer_that_was_never_asked(out):
    (out / STORES[1]).unlink()
    with pytest.raises(DamagedError, match="adam.sqlite is gone, which manifest.json knows of"):
        read_results(out)


def test_every_changed_byte_of_the_manifest_is_noticed(out):
    path = out / "manifest.json"
    good = path.read_bytes()
    meaning = json.loads(good)
    for place in range(3, len(good), len(good) // 40):
        changed = bytearray(good)
        changed[place] ^= 1 << place % 7
        path.write_bytes(changed)
        try:
            same = json.loads(changed) == meaning  # white space
        except ValueError:
            same = False
        if not same:
            with pytest.raises(NoRecordsError, match="manifest.json: damaged"):
                read_results(out)
    path.write_bytes(good.replace(b'"rows"', b'"cows"', 1))
    (notice,) = run(out)
    assert "it was changed since it was written" in notice
    assert "the keys that were used in the folder are not known any more" in notice
    assert run(out) == []


@pytest.mark.parametrize("name", ["verdicts.json", "report.html"])
def test_changed_outputs_are_said_and_written_anew(out, name):
    path = out / name
    good = path.read_bytes()
    path.write_bytes(good.replace(b"0", b"1", 1))
    notice = f"{path} was changed since it was written, and is written anew"
    assert output_notices(out, read_results(out).manifest) == [notice]
    assert run(out) == [notice]
    if name == "verdicts.json":
        assert path.read_bytes() == good
    path.unlink()  # nothing is lost that cannot be drawn again
    assert run(out) == []


def test_a_second_benchmark_is_refused_with_the_process_that_holds_the_folder(out):
    lock = hold(out)
    with pytest.raises(RunInUse, match=f"in use by another run .process {os.getpid()} on"):
        Benchmark(plan(out))
    with pytest.raises(RunInUse, match="in use"):
        write_results(read_results(out), out)
    lock.release()
    first = Benchmark(plan(out))
    with pytest.raises(RunInUse, match="in use"):
        Benchmark(plan(out))
    first.close()
    assert run(out) == []


def _try(out, answer):
    try:
        hold(out).release()
        answer.put("held")
    except RunInUse as error:
        answer.put(str(error))


def test_another_process_is_refused(out):
    lock = hold(out)
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=_try, args=(out, answer))
    child.start()
    assert f"process {os.getpid()}" in answer.get(timeout=60)
    child.join()
    lock.release()


@pytest.mark.parametrize(
    "name",
    ["..", ".", "...", "../../above", "/etc/x", "n" * 300, "\N{GREEK SMALL LETTER ALPHA}" * 200,
     "\N{CROCODILE}" * 80, "<script>alert(1)</script>", "a\0b", "a\nb", ".hidden", "\x1b[31mred"],
)  # fmt: skip
def test_any_name_is_a_file_inside_the_folder(tmp_path, name):
    path = store_path(tmp_path, name, name)
    assert path.resolve().parent.parent == tmp_path / "records"
    assert path != store_path(tmp_path, name + "x", name)
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}-journal").write_bytes(b"")


def test_plain_names_are_names_of_files(tmp_path):
    assert store_path(tmp_path, "digits_mlp", "mine") == tmp_path / "records/digits_mlp/mine.sqlite"


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("name", ["manifest.json", "verdicts.json", "report.html"])
def test_files_of_somebody_else_are_left_as_they_are(tmp_path, name, fresh):
    other = tmp_path / name
    other.write_text('{"name": "a web page"}')
    with pytest.raises(ValueError, match=f"{name} is no file of a benchmark.*another --out"):
        Benchmark(plan(tmp_path, fresh=fresh))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert other.read_text() == '{"name": "a web page"}'


def test_starting_over_deletes_what_a_benchmark_wrote_and_nothing_else(out):
    own = [out / "records/notes.txt", out / "records/mine/data.csv", out / "readme.md"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    clear(out)
    left = {path for path in out.rglob("*") if path.is_file()}
    assert left - {out / "manifest.json", out / "lock"} == set(own)
    assert all(path.read_text() == "mine" for path in own)


def test_a_manifest_nested_without_end_is_damaged(out):
    (out / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(NoRecordsError, match="damaged .it is nested too deeply"):
        read_results(out)


def test_an_address_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="out: expected a path of this machine, got 's3:/bucket'"):
        Benchmark(plan(Path("s3://bucket")))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"out: .*file/out cannot be written: .*choose another"):
        Benchmark(plan(tmp_path / "file" / "out"))
