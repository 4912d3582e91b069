"""`lineside-edge`: the gateway's command line, one file a group of commands.

Exit codes: 0 all well; 1 something is wrong; 2 no agent runs, or the command itself was wrong;
3 nothing failed, but there are warnings (`check`, `doctor`).

Each command imports what it needs, and the agent, which runs for months, no command but its own.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point."""
    if sys.argv[1:2] == ["run"]:
        from edge.cli.run import app
    else:
        from edge.cli.commands import app
    app()
