"""Every page is executed, and what it prints stays what it was."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("record", DOCS / "record.py")
record = importlib.util.module_from_spec(spec)
sys.modules["record"] = record  # dataclasses look their module up
spec.loader.exec_module(record)

PAGES = record.pages()
PAGE = """---
tolerance: 0.1
---

```{code-cell} ipython3
---
tags: [some]
---
x = 2.5
print("x is", x)
```

```python
print("an illustration, not a cell")
```

```{code-cell} ipython3
:tags: [other]
print(f"{2 * x:>8} twice")
```
"""


# the recipes' pages are held by tests/recipes, which runs them for more than their record
@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("recipes/")])
def test_prints_what_is_recorded(name):
    assert record.check(name, PAGES[name]) == []


def test_every_page_with_cells_is_recorded_and_none_is_left_over():
    folder = DOCS / "expected"
    recorded = {f.relative_to(folder).with_suffix("").as_posix() for f in folder.rglob("*.json")}
    assert recorded == set(PAGES)


def test_no_page_is_excluded():
    texts = {
        f: f.read_text(encoding="utf-8") for f in DOCS.rglob("*.md") if "_build" not in f.parts
    }
    with_cells = {file for file, text in texts.items() if "{code-cell}" in text}
    assert with_cells == set(PAGES.values())
    for file in with_cells:
        # a cell that myst-nb skips, or whose error it accepts, would run here alone
        assert not re.search(r"skip-execution|raises-exception|execution_mode", texts[file]), file
    for name, file in PAGES.items():
        assert len(record.cells(texts[file])) == texts[file].count("{code-cell}"), name
    assert "nb_execution_excludepatterns" not in (DOCS / "conf.py").read_text(encoding="utf-8")


def test_every_page_is_in_the_contents():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [name for name in PAGES if not re.search(rf"^{name}$", index, re.M)] == []


def test_cells_run_in_one_namespace_without_their_options():
    assert record.run(PAGE) == ["x is 2.5\n", "     5.0 twice\n"]


def test_a_page_runs_once_and_leaves_its_names():
    printed, names = record.execute(PAGE)
    assert names["x"] == 2.5
    assert record.execute(PAGE) == (printed, names)
    assert record.execute(PAGE)[1] is names


@pytest.mark.parametrize("change", ["x = 2.7", "x = 2.3"])
def test_a_number_within_the_tolerance_passes(change):
    printed = record.run(PAGE.replace("x = 2.5", change))
    assert record.differences(record.run(PAGE), printed, record.tolerance(PAGE)) == []


def test_a_changed_number_fails():
    printed = record.run(PAGE.replace("x = 2.5", "x = 2.9"))
    found = record.differences(record.run(PAGE), printed, record.tolerance(PAGE))
    assert found == ["cell 0: 2.5 became 2.9", "cell 1: 5.0 became 5.8"]


def test_a_changed_number_of_a_real_page_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "expected_file", lambda name: tmp_path / f"{name}.json")
    cells = record.run(PAGE)
    (tmp_path / "page.json").write_text(
        json.dumps({"cells": [cells[0].replace("2.5", "9"), cells[1]]})
    )
    (tmp_path / "page.md").write_text(PAGE)
    assert record.check("page", tmp_path / "page.md") == ["cell 0: 9 became 2.5"]
    assert record.check("other", tmp_path / "page.md")[0].startswith("nothing is recorded")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loss 1.0", "error 1.0"),
        ("loss 1.0", "loss nan"),
        ("loss 1.0", "loss inf"),
        ("loss -0.5", "loss 0.5"),
        ("loss 1e-3", "loss 1e-2"),
        ("True", "False"),
        ("1 of 2", "1 of 2 of 3"),
        ("sha1", "sha2"),
    ],
)
def test_what_differs_is_found(old, new):
    assert record.differences([old], [new], record.Tolerance())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loss 1.000", "loss 1.001"),
        ("[ 9.99 nan]", "[10.01 nan]"),
        ("0.0", "-0.0"),
        ("0.0", "1e-7"),
        ("1.72e+35", "1.73e+35"),
        ("  9.99 |", " 10.01 |"),
    ],
)
def test_rounding_is_allowed(old, new):
    assert record.differences([old], [new], record.Tolerance()) == []


def test_one_cell_more_is_found():
    assert "record it again" in record.differences(["a"], ["a", "b"], record.Tolerance())[0]


def test_the_pages_build_without_warnings(tmp_path):
    pytest.importorskip("myst_nb")
    pytest.importorskip("furo")
    words = ["-W", "--keep-going", "-q", "-D", "nb_execution_mode=off", "-b", "html", "-d"]
    build = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, tmp_path / "trees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert build.returncode == 0, build.stderr
