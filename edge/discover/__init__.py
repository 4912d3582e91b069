"""What a device offers to read: for `lineside-edge discover` and `doctor`, never for the agent."""
