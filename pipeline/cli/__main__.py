"""`python -m pipeline.cli`: the command line where the script `sensorline` is not on the path."""

from pipeline.cli.main import main

main()
