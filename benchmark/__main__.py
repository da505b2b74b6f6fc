"""`python -m benchmark`."""

from benchmark.cli.main import main

main()
