"""The command line: each command parses its options, loads the configuration and calls what does the work.

What a command needs is imported inside it, so that `--help` is quick and no process loads a library it does not use.
"""
