"""Figures of paramjax in a notebook."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "pyplot", ["", pytest.param("import matplotlib.pyplot\n", marks=pytest.mark.slow)]
)
def test_a_notebook_shows_a_figure_whether_or_not_pyplot_was_imported(pyplot):
    pytest.importorskip("IPython")
    code = f"""{pyplot}
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from paramjax.plots import run_curves

figure = run_curves({{"loss": np.array([2.0, 1.0])}})
formats, _ = InteractiveShell.instance().display_formatter.format(figure)
print(formats["image/png"][:4])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout == "b'\\x89PNG'\n", shown.stderr
