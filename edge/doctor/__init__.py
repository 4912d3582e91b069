"""Looks at all that a configuration names, live: for `lineside-edge doctor`, never for the agent.

Each file looks at one subject and yields findings; none of them changes anything at a device, a
broker or the hub.
"""
