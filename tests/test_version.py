import tomllib
from importlib.metadata import version
from pathlib import Path

import paramjax as pj
from paramjax._version import versions  # internal: what checkpoints, reports and verify print


def test_the_version_is_that_of_the_project_file():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert pj.__version__ == project["project"]["version"] == versions()["paramjax"]


def test_the_versions_name_what_is_installed_and_what_is_not(monkeypatch):
    assert versions()["jax"] == version("jax")
    monkeypatch.setattr("paramjax._version.PACKAGES", ("no-such-package",))
    assert versions()["no-such-package"] == "not installed"
