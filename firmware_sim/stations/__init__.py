"""The stations that a part passes beside its line's PLC, each speaking as the real one does: tools
behind tightening controllers, a measuring room, two testers, and a person with a feeler gauge."""

from firmware_sim.stations.findings import Finding, read_findings
from firmware_sim.stations.running import run_stations
from firmware_sim.stations.settings import STATIONS, StationsSettings

__all__ = ["STATIONS", "Finding", "StationsSettings", "read_findings", "run_stations"]
