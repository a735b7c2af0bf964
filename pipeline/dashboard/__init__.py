"""The live page: the last stretch of the log as a bounded model of the fleet, and a small web server that shows it. Read-only."""
