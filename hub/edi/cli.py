"""`lineside-hub edi …`: here what needs no database, in `exchange_cli.py` the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.edi import exchange_cli
from hub.edi.profiles import read_profile
from hub.orders.cli import refusing
from hub.orders.problems import InputError
from protocols.edifact.interchange import Interchange, read_interchange
from protocols.edifact.messages import Content, read_content
from protocols.edifact.problems import EdifactError, Problem
from protocols.edifact.profile import EdiProfile
from protocols.edifact.syntax import Limits

edi_app = typer.Typer(help="EDIFACT of partners without a gateway.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="An EDIFACT interchange.")]
ProfileOption = Annotated[
    Path | None, typer.Option(help="The partner's profile (YAML); else the generic one.")
]


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    exchange_cli.register(edi_app)
    app.add_typer(edi_app, name="edi")


@edi_app.command("check")
def edi_check(path: FileArgument, profile: ProfileOption = None) -> None:
    """Check a file: every problem with its segment and reason; exits with 1 if there is one."""
    interchange, contents, problems = _read(path, profile)
    _refuse(path, problems)
    typer.echo(f"{path}: {_summary(interchange, contents)}")


@edi_app.command("show")
def edi_show(path: FileArgument, profile: ProfileOption = None) -> None:
    """Print what a file says, as JSON; messages with problems are left out and told."""
    interchange, contents, problems = _read(path, profile)
    header = interchange.header
    shown = {
        "sender": header.sender,
        "recipient": header.recipient,
        "reference": header.reference,
        "prepared_at": header.prepared_at.isoformat(),
        "test": header.is_test,
        "messages": [_as_json(kind, reference, said) for kind, reference, said in contents],
    }
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    _refuse(path, problems)


Contents = list[tuple[str, str, Content]]
"""Type, reference and content of each message that could be read."""


def _read(path: Path, profile: Path | None) -> tuple[Interchange, Contents, list[Problem]]:
    with refusing("refused"):
        used = read_profile(profile) if profile else EdiProfile()
        data = _bytes(path)
    try:
        interchange = read_interchange(data)
    except EdifactError as error:
        _refuse(path, error.problems)
        raise
    contents: Contents = []
    problems: list[Problem] = []
    for message in interchange.messages:
        try:
            contents.append((message.kind, message.reference, read_content(message, used)))
        except EdifactError as error:
            problems.extend(error.problems)
    return interchange, contents, problems


def _bytes(path: Path) -> bytes:
    """No more than is read anyway."""
    try:
        with path.open("rb") as file:
            return file.read(Limits().size + 1)
    except OSError as error:
        raise InputError([f"{path}: {error.strerror}"]) from None


def _refuse(path: Path, problems: list[Problem]) -> None:
    if problems:
        for problem in problems:
            typer.echo(f"{path}: {problem}", err=True)
        raise typer.Exit(1)


def _summary(interchange: Interchange, contents: Contents) -> str:
    header = interchange.header
    kinds = [kind for kind, _, _ in contents]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return (
        f"interchange {header.reference} from {header.sender} to {header.recipient}: "
        f"{counted or 'no message'}, without a problem"
    )


def _as_json(kind: str, reference: str, content: Content) -> dict[str, Any]:
    return {"type": kind, "reference": reference, "content": content.model_dump(mode="json")}
