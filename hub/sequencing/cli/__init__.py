"""`lineside-hub sequence …`: each command in the module of its subject."""

from __future__ import annotations

import typer

from hub.sequencing.cli.calls import calls
from hub.sequencing.cli.judge import compare_command, explain_command, score_command
from hub.sequencing.cli.lanes import lanes_command
from hub.sequencing.cli.make import make
from hub.sequencing.cli.resequence import resequence_command
from hub.sequencing.cli.schema import schema
from hub.sequencing.cli.solve import solve

_HELP = (
    "The production sequence (pearl chain).\n\n"
    "DAY is a ROADEF 2005 instance folder, a CSPLib .txt file, or a day file (.yaml, .json; the "
    "command schema prints its form). A sequence is a file in the form that solve --out writes for "
    "such a day: rank;Ident lines, class indices, or production numbers, one a line."
)


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    sequence_app = typer.Typer(help=_HELP, no_args_is_help=True)
    sequence_app.command("make")(make)
    sequence_app.command("solve")(solve)
    sequence_app.command("score")(score_command)
    sequence_app.command("explain")(explain_command)
    sequence_app.command("compare")(compare_command)
    sequence_app.command("resequence")(resequence_command)
    sequence_app.command("lanes")(lanes_command)
    sequence_app.command("calls")(calls)
    sequence_app.command("schema")(schema)
    app.add_typer(sequence_app, name="sequence")
