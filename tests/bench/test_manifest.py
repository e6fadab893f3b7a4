import json
import subprocess

import jax
import pytest

from paramjax import __version__
from paramjax.bench._manifest import manifest, provenance, write_json  # one file of a folder


def git(folder, *words):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_committed_file_is_named_by_its_revision_and_a_changed_one_by_its_hash(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("a = 1\n")
    git(tmp_path, "init", "-q")
    assert "sha256" in provenance(file)  # not committed yet
    git(tmp_path, "add", "mine.py")
    git(tmp_path, "commit", "-q", "-m", "mine")
    assert provenance(file)["git_revision"] == git(tmp_path, "rev-parse", "HEAD")
    file.write_text("a = 2\n")
    assert "git_revision" not in provenance(file)
    assert len(provenance(file)["sha256"]) == 64


def test_it_names_the_key_versions_and_devices():
    found = json.loads(json.dumps(manifest({"key": 3}, [])))
    assert found["key"] == 3
    assert found["versions"]["paramjax"] == __version__
    assert found["versions"]["jax"] == jax.__version__
    assert len(found["devices"]) == jax.device_count()


def test_nan_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())
