import os

import jax
import numpy as np
import pytest

# every layer writes, names and hashes files through these; none of them is public
from paramjax._files import absolute_path, atomic_write, write_atomic
from paramjax._hashes import array_hash, checksums, program_hash


def interrupted(path):
    with atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_an_unfinished_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "missing" / "a.txt"
    with pytest.raises(FileNotFoundError, match=f"{path}'$"):
        write_atomic(path, "new")


def test_the_contents_are_on_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a)))
    write_atomic(tmp_path / "a", b"new")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_paths_are_those_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute_path("CSV", "~/log.csv") == tmp_path / "log.csv"
    with pytest.raises(ValueError, match=r"CSV: expected a path of this machine, got 's3://b/log'"):
        absolute_path("CSV", "s3://b/log")
    with pytest.raises(TypeError, match="CSV: expected a path, got int 3"):
        absolute_path("CSV", 3)


def test_hashes_tell_forms_values_keys_and_constants_apart():
    zeros = np.zeros(4, np.float32)
    leaves = [zeros, zeros.reshape(2, 2), zeros.view(np.int32), zeros + 1, np.float32(0), 3,
              jax.random.key(0), jax.random.key(1)]  # fmt: skip
    assert len({array_hash(leaf) for leaf in leaves}) == len(leaves)
    assert array_hash(jax.numpy.zeros(4)) == array_hash(zeros)
    assert array_hash(np.asfortranarray(np.eye(3)[:2])) == array_hash(np.eye(3)[:2])
    assert list(checksums("data", {"x": zeros})) == ["data x"]

    def program(constant):
        return program_hash(jax.make_jaxpr(lambda x: x + constant)(zeros))

    assert program(zeros) == program(zeros.copy()) != program(zeros + 1)


def test_a_program_has_one_hash_in_a_terminal_and_in_a_pipe(monkeypatch):
    jaxpr = jax.make_jaxpr(lambda x: jax.lax.cond(x > 0, jax.numpy.sin, jax.numpy.cos, x))(1.0)
    seen = []
    for coloured in (False, True):
        monkeypatch.setattr("jax._src.pretty_printer.CAN_USE_COLOR", coloured)
        seen.append((str(jaxpr), program_hash(jaxpr)))
    (plain, first), (colours, second) = seen
    assert plain != colours
    assert first == second
