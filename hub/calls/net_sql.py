"""The status net as SQL: `python -m hub.calls.net_sql` prints the migration that brings the
database to the net of this release. The tests compare table and net, so that a changed net cannot
go without one.
"""

from __future__ import annotations

from protocols.jis.net import Net, status_net


def net_sql(net: Net) -> str:
    """Statements that replace what the database knows of the net by this one."""
    statuses = [
        f"    ('{status.axis}', '{status.id}', {rank}, {str(status.final).lower()})"
        for rank, status in enumerate(net.statuses, 1)
    ]
    moves = sorted(
        f"    ('{move.event}', '{move.origin}', '{move.axis}', '{move.target}', '{move.source}')"
        for move in net.moves()
    )
    parts = (
        "-- The status net of protocols/jis/net/net.md; made by `python -m hub.calls.net_sql`.\n",
        "DELETE FROM net_move;",
        "DELETE FROM net_status;",
        "INSERT INTO net_status (axis, id, rank, final) VALUES",
        ",\n".join(statuses) + ";",
        "INSERT INTO net_move (event, origin, axis, target, source) VALUES",
        ",\n".join(moves) + ";\n",
    )
    return "\n".join(parts)


if __name__ == "__main__":
    print(net_sql(status_net()), end="")
