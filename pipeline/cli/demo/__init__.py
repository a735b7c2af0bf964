"""`sensorline demo`: the whole flow on the embedded log, on a recording of the simulator, with a table and a picture at its end.

It calls what the commands call. Nothing else imports it.
"""
