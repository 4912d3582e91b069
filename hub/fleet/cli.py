"""`lineside-hub gateways …`, `lineside-hub ca …` and `lineside-hub broker …`."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import psycopg
import typer
from psycopg import errors
from pydantic import ValidationError

from hub import fleet as inventory
from hub.fleet import registry
from hub.fleet.authority import Authority, AuthorityError, write_new
from hub.fleet.broker_files import (
    CERTIFICATE,
    KEY,
    REVOCATIONS,
    authority_files,
    broker_files,
    differing,
    registered_gateways,
    write_files,
)
from hub.fleet.enrolment import let_in, make_token, revoke, revoked
from hub.fleet.external import ExternalAuthority
from hub.fleet.proposals import history, sections_of
from hub.fleet.proposals import propose as make_proposal
from hub.fleet.shown import facts, proposal_table, shown, shown_proposal, table
from hub.identity import audit
from hub.orders.problems import did_you_mean
from hub.settings import HubSettings
from hub.store.cli import misconfigured, service_connection
from protocols.mqtt.rights import HUB_USER

gateways = typer.Typer(no_args_is_help=True, help="Gateways: let in, shut out, how they are.")
ca = typer.Typer(no_args_is_help=True, help="The authority that signs gateways' certificates.")
broker = typer.Typer(no_args_is_help=True, help="The MQTT broker's files.")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Address = Annotated[str, typer.Argument(metavar="GROUP/NODE", help="Sparkplug group and node.")]


class BrokerName(StrEnum):
    """Brokers whose files can be written."""

    MOSQUITTO = "mosquitto"
    EMQX = "emqx"


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(gateways, name="gateways")
    app.add_typer(ca, name="ca")
    app.add_typer(broker, name="broker")


@broker.callback()
def _named() -> None:
    """Let `config` be said, though there is no other command."""


@gateways.command()
def add(
    address: Address,
    owner: Annotated[
        str | None, typer.Option(help="Supplier that runs it; wanted for a new one.")
    ] = None,
    partner: Annotated[str | None, typer.Option(help="Car maker that it delivers to.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=720, help="Hours the token is good for.")] = 24,
    external: Annotated[
        bool,
        typer.Option("--external", help="Another authority certifies it (by EST): no token."),
    ] = False,
) -> None:
    """Register a gateway, or take up one that is there, and print a token it enrols with, once.

    The token is a secret until it is used. One that was made before and is not used yet goes.
    """
    authority = None if external else _authority()
    actor = _actor()
    with service_connection() as connection:
        found = registry.find(connection, address)
        if found is None:
            found = _register(connection, address, owner, partner)
        elif owner not in (None, found.owner):
            _fail(f"{address} is {found.owner}'s; an owner is not changed")
        audit.note(connection, found.owner, actor, "cli", f"gateways add {address}")
        if authority is None:
            let_in(connection, found.id)
        else:
            token, expires_at = make_token(
                *(connection, found.id, found.owner, authority.fingerprint),
                *(timedelta(hours=hours), actor),
            )
    if authority is None:
        typer.echo(f"{address} may speak, by a certificate of the external authority for that name")
        typer.echo(
            "write the broker's files anew (lineside-hub broker config) and send it a SIGHUP",
            err=True,
        )
        return
    typer.echo(str(token))
    typer.echo(
        f"good for one key, until {expires_at:%Y-%m-%d %H:%M} UTC; on the gateway:\n"
        "  lineside-edge enrol --config edge.yaml --hub https://… --token-file -",
        err=True,
    )


@gateways.command("revoke")
def revoke_command(address: Address) -> None:
    """Shut a gateway out: its certificates are revoked, its tokens gone. `add` lets it in again.

    A certificate of another authority is for that one to revoke; without rights at the broker it
    opens nothing meanwhile.
    """
    actor = _actor()
    with service_connection() as connection:
        found = _found(connection, address)
        count = revoke(connection, found.id)
        audit.note(connection, found.owner, actor, "cli", f"gateways revoke {address}")
    typer.echo(f"{address} is shut out: {count} certificates revoked")
    typer.echo(
        "write the broker's files anew (lineside-hub broker config) and send it a SIGHUP", err=True
    )


@gateways.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Every gateway: whether it is online, what it runs, its clock, journal and certificate."""
    with service_connection() as connection:
        found = inventory.gateways(connection)
    if as_json:
        typer.echo(json.dumps([shown(view) for view in found], indent=2))
        return
    for line in table(found):
        typer.echo(line)


@gateways.command("show")
def show_command(address: Address, as_json: AsJson = False) -> None:
    """All that is known of one gateway."""
    with service_connection() as connection:
        registered = _found(connection, address)
        group, _, node = address.partition("/")
        found = inventory.gateway(connection, group, node)
    if found is None:
        _fail(f"no gateway {address} ({registered.owner})")
    if as_json:
        typer.echo(json.dumps(shown(found), indent=2))
        return
    for line in facts(found):
        typer.echo(line)


@gateways.command()
def propose(
    address: Address,
    file: Annotated[
        typer.FileText, typer.Argument(help="Sections of its configuration, YAML; - for input.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            help="Fingerprint of the configuration it is made for; else that which it told last."
        ),
    ] = None,
    any_base: Annotated[
        bool, typer.Option("--any-base", help="Whatever the gateway runs with.")
    ] = False,
) -> None:
    """Propose sections of a configuration to a gateway, each in the place of what it has.

    The gateway checks it, takes it if its own file allows it (hub.proposals), and goes back by
    itself if it then does not reach the hub. `gateways proposals` shows what came of it.
    """
    authority, actor = _authority(), _actor()
    with service_connection() as connection:
        found = _found(connection, address)
        group, _, node = address.partition("/")
        view = inventory.gateway(connection, group, node)
        told = view.configuration if view is not None else None
        try:
            sections = sections_of(file.read())
            number = make_proposal(
                *(connection, authority, found, address, sections),
                *(None if any_base else base or told, actor),
            )
        except ValueError as error:
            _fail(f"{file.name}: {error}")
        audit.note(connection, found.owner, actor, "cli", f"gateways propose {address} {number}")
    typer.echo(f"proposal {number} waits for {address}")


@gateways.command()
def proposals(
    address: Address,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What was proposed to a gateway, and what it made of it, the newest first."""
    with service_connection() as connection:
        made = history(connection, _found(connection, address).id, limit=limit)
    if as_json:
        typer.echo(json.dumps([shown_proposal(each) for each in made], indent=2))
        return
    for line in proposal_table(made):
        typer.echo(line)


@ca.command("init")
def ca_init(
    name: Annotated[str, typer.Option(help="Its common name.")] = "Lineside gateways",
) -> None:
    """Make the hub's own authority; its key is readable to this user alone, and never leaves."""
    signing = _settings().ca.signing(_settings().data_dir)
    try:
        made = Authority.create(signing.cert_file, signing.key_file, name)
    except OSError as error:
        _fail(str(error))
    _show(made, signing.cert_file)
    typer.echo(f"keep a copy of {signing.key_file} where nobody else reads it", err=True)


@ca.command("show")
def ca_show(
    pem: Annotated[bool, typer.Option("--pem", help="The certificate itself.")] = False,
) -> None:
    """The authority, whose it is and until when; exit code 1 if there is none to sign with."""
    found = _authority()
    if pem:
        typer.echo(found.pem, nl=False)
        return
    _show(found, _settings().ca.signing(_settings().data_dir).cert_file)


@ca.command("issue")
def ca_issue(
    file: Annotated[Path, typer.Argument(help="Writes FILE.crt and FILE.key.")],
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name or address of a server; may be given more than once."),
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="For the hub at the broker.")] = False,
) -> None:
    """A certificate for the broker or the API (--name), or for the hub at the broker (--hub)."""
    if bool(name) == hub:
        raise typer.BadParameter("give --name for a server, or --hub")
    signer = _authority()
    try:
        certificate, key = signer.make_server(name) if name else signer.make_client(HUB_USER)
        write_new(file.with_name(f"{file.name}.key"), key, 0o600)
        write_new(file.with_name(f"{file.name}.crt"), certificate, 0o644)
    except (OSError, ValueError) as error:
        _fail(str(error))
    typer.echo(f"{file}.crt, {file}.key")


@broker.command()
def config(
    kind: Annotated[BrokerName, typer.Option("--for", help="Make of the broker.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write the files to.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Folder to compare instead; nothing is written.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="That folder as the broker sees it, if elsewhere.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the broker.")] = 8883,
) -> None:
    """Write who is let in by the broker and what each may do, from the registered gateways.

    Certificate and key of the broker (broker.crt, broker.key) lie in the same folder, and the
    authority's (ca.crt) where it is neither the hub's own nor LINESIDE_HUB_CA__EXTERNAL_FILE. Exit
    codes: 0 well; 1 the folder is not as the database wants it, or cannot be made so; 2 wrong use.
    """
    if (out is None) == (check is None):
        raise typer.BadParameter("give --out to write, or --check to compare")
    folder = out or check or Path()
    settings = _settings()
    signing = settings.ca.signing(settings.data_dir)
    with service_connection() as connection:
        names, serials = registered_gateways(connection), revoked(connection)
    try:
        own = Authority.load(signing) if signing.cert_file.exists() else None
        external = _external(settings)
        trusted = authority_files(own, external, serials, folder)
        files = broker_files(
            *(kind.value, names, settings.host_id, port, at or str(folder.resolve())),
            with_revocations=REVOCATIONS in trusted,
        )
        files |= trusted
        changed = write_files(folder, files) if out else differing(folder, files)
    except (OSError, ValueError) as error:
        _fail(f"{folder}: {error}")
    if check and changed:
        _fail(
            f"{folder}: {', '.join(changed)} differ from what {len(names)} gateways want; write "
            "anew with --out, then let the broker read them (SIGHUP)"
        )
    if changed:
        typer.echo(f"{folder}: wrote {', '.join(changed)} for {len(names)} gateways")
        typer.echo("let the broker read them: SIGHUP; a restart if its settings changed", err=True)
    else:
        typer.echo(f"{folder}: as {len(names)} gateways want it")
    absent = [name for name in (CERTIFICATE, KEY) if out and not (folder / name).exists()]
    if absent:
        made = f"; lineside-hub ca issue {folder / 'broker'} --name HOST makes them" if own else ""
        text = f"{' and '.join(absent)} of the broker are not in {folder}{made}"
        typer.echo(f"{text}; the broker's user must be able to read both", err=True)
    if external is not None and external.listed_until is not None:
        until = f"{external.listed_until:%Y-%m-%d %H:%M} UTC"
        typer.echo(
            f"the external authority's list of what it revoked is good until {until}: fetch the "
            "next one and write anew by then, or the broker refuses its gateways",
            err=True,
        )


def _register(
    connection: psycopg.Connection, address: str, owner: str | None, partner: str | None
) -> registry.Registered:
    if owner is None:
        known = did_you_mean(address, registry.addresses(connection))
        _fail(f"no gateway {address} is registered; --owner registers it{known}")
    try:
        return registry.register(connection, address, owner, partner)
    except ValueError as error:
        _fail(str(error))
    except errors.ForeignKeyViolation:
        connection.rollback()
        tenants = [name for (name,) in connection.execute("SELECT id FROM tenant")]
        wrong = owner if owner not in tenants else partner
        _fail(f"no tenant {wrong!r}{did_you_mean(wrong or '', tenants)}")


def _found(connection: psycopg.Connection, address: str) -> registry.Registered:
    found = registry.find(connection, address)
    if found is None:
        _fail(f"no gateway {address}{did_you_mean(address, registry.addresses(connection))}")
    return found


def _settings() -> HubSettings:
    try:
        return HubSettings()
    except ValidationError as error:
        raise misconfigured(error) from None


def _external(settings: HubSettings) -> ExternalAuthority | None:
    """Raises `AuthorityError`."""
    ca = settings.ca
    if ca.external_file is None:
        return None
    return ExternalAuthority.load(ca.external_file, ca.external_crl_file)


def _authority() -> Authority:
    settings = _settings()
    try:
        return Authority.load(settings.ca.signing(settings.data_dir))
    except AuthorityError as error:
        _fail(str(error))


def _show(authority: Authority, file: Path) -> None:
    certificate = authority.certificate
    typer.echo(f"authority    {certificate.subject.rfc4514_string()}")
    typer.echo(f"good until   {certificate.not_valid_after_utc:%Y-%m-%d}")
    typer.echo(f"fingerprint  {authority.fingerprint}")
    typer.echo(f"certificate  {file}")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)


def _actor() -> str:
    return f"user {getpass.getuser()} of the hub's machine"
