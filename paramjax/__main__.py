"""`python -m paramjax`."""

from paramjax.cli._main import main

main()
