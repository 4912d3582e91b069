"""A Siemens S7 PLC that speaks ISO-on-TCP."""
