"""Recordings: files of readings, in and out. The only package that knows pyarrow; it knows no broker and no codec of the topics."""
