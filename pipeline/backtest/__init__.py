"""What models make of a recording: the real pipeline run on it in memory, and two sets of predictions compared."""
