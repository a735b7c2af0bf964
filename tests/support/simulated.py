"""A small simulated fleet with every fault, and the sections of a configuration that cuts its sessions."""

from __future__ import annotations

from producers.simulator.spec import MINUTE_MS, Faults, FleetSpec

FLEET = FleetSpec(
    devices=10,
    seed=7,
    duration_ms=40 * MINUTE_MS,
    life_ms=(20 * MINUTE_MS, 60 * MINUTE_MS),
    faults=Faults(gap_rate=0.02, disorder_rate=0.1, duplicate_rate=0.1, bad_clock_share=0.4, dying_share=0.2),
)

SENSORS = '[sensors]\nnames = ["temperature", "vibration", "current"]\n'
SECTIONS = f'{SENSORS}[window]\ngap = "15s"\nmax_length = 40\nmax_behind = "1h"\n'
