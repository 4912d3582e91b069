"""The board at the line: what to build, what has changed, the rack being filled, and buttons."""
