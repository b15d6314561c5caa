"""The command line: the top of the graph. Everything heavy is imported where it is used."""
