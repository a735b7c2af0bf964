"""sensorline: irregular sensor readings become windows, windows become scores, scores become alerts."""
