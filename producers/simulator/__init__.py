"""A fleet of machines that wear out, as an iterator of readings. Pure: seeded randomness, no clock, no files, no broker."""
