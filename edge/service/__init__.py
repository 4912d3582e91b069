"""The gateway as a service of systemd: for `lineside-edge service`, never for the agent."""
