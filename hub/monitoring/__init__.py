"""How the hub says how it is: health and readiness of a process, and figures for Prometheus."""
