"""What simulated devices that are read by address have in common."""
