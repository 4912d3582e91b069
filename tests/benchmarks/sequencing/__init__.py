"""What the sequencing engine is measured by; `make bench-sequencing`."""
