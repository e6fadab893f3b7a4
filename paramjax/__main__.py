"""`python -m paramjax`."""

from paramjax.cli import main

main()
