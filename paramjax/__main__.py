"""`python -m paramjax`."""

from paramjax.cli.main import main

main()
