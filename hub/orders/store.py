"""Plants and order books in the database. Connections are of the role `lineside_ingest`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hub.orders.book import Order, OrderBook
from hub.orders.derived_bom import deal, derive
from hub.orders.plant import GatewayEntry, LineEntry, PlantFile
from hub.orders.problems import InputError
from hub.sequencing.explode import BomRule
from hub.sequencing.model import Car, Rules

_RULES_OF = """
SELECT part_group, rank, part_no, quantity, requires, excludes, colours FROM bom_rule
WHERE plant = %s AND part_group = ANY (%s)
"""
RULES_AT = """
SELECT r.part_group, r.rank, r.part_no, r.quantity, r.requires, r.excludes, r.colours
FROM part_group g JOIN bom_rule r ON r.plant = g.plant AND r.part_group = g.id
WHERE g.plant = %(plant)s AND g.control_point = %(control_point)s
"""
"""Rows that `rules_of` makes the rules of: of the part groups that a control point fixes."""

_RULES = TypeAdapter(Rules)
_CARS = TypeAdapter(tuple[Car, ...])


class _Group(BaseModel):
    """A part group whose rules follow the options of imports."""

    model_config = ConfigDict(frozen=True)

    id: str
    partner: str
    coloured: bool


def store_plant(connection: psycopg.Connection, plant: PlantFile) -> None:
    """Write what the file says; what is there already is brought in line with it.

    Nothing is removed, save rules of a bill of material that the file no longer has. Raises
    `InputError` if something belongs to another tenant or plant, or if calls are numbered by what
    would change.
    """
    with connection.transaction():
        for tenant in plant.tenants:
            connection.execute(
                "INSERT INTO tenant (id, name, kind) VALUES (%s, %s, %s) "
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind",
                [tenant.id, tenant.name, tenant.kind],
            )
        for gateway in plant.gateways:
            _store_gateway(connection, gateway)
        _store_owned(
            connection,
            f"plant {plant.plant.id}",
            "INSERT INTO plant (id, owner, takt_s, calendar) "
            "VALUES (%(id)s, %(owner)s, %(takt_s)s, %(calendar)s) "
            "ON CONFLICT (id) DO UPDATE SET takt_s = excluded.takt_s, "
            "calendar = excluded.calendar WHERE plant.owner = excluded.owner",
            plant.plant.model_dump(include={"id", "owner", "takt_s"})
            | {"calendar": _jsonb(plant.plant.calendar)},
        )
        for rank, point in enumerate(plant.plant.control_points, 1):
            connection.execute(
                "INSERT INTO control_point (plant, id, owner, rank) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (plant, id) DO UPDATE SET rank = excluded.rank",
                [plant.plant.id, point, plant.plant.owner, rank],
            )
        gateways = {gateway.address: gateway for gateway in plant.gateways}
        for line in plant.lines:
            _store_line(connection, plant, line, gateways[line.gateway])
        _store_pass_through(connection, plant)


def _store_pass_through(connection: psycopg.Connection, plant: PlantFile) -> None:
    """What this plant derives from the calls of customers; what the file no longer has ends."""
    connection.execute("DELETE FROM pass_through WHERE to_plant = %s", (plant.plant.id,))
    for entry in plant.pass_through:
        stored = connection.execute(
            "INSERT INTO pass_through "
            "(plant, line, customer, owner, to_plant, control_point, before_s) "
            "SELECT l.plant, l.id, l.owner, l.partner, %(to_plant)s, %(control_point)s, "
            "%(before_s)s FROM supplier_line l "
            "WHERE l.plant = %(plant)s AND l.id = %(line)s AND l.partner = %(owner)s "
            "ON CONFLICT (plant, line) DO NOTHING",
            entry.model_dump() | {"to_plant": plant.plant.id, "owner": plant.plant.owner},
        ).rowcount
        if not stored:
            raise InputError(
                [
                    f"pass_through: {entry.plant}/{entry.line} is no line of {plant.plant.owner} "
                    "in a plant that is loaded, or is passed on to another plant already"
                ]
            )


def _store_gateway(connection: psycopg.Connection, gateway: GatewayEntry) -> None:
    _store_owned(
        connection,
        f"gateway {gateway.address}",
        "INSERT INTO gateway (group_id, node_id, owner, partner, transport) "
        "VALUES (%(group)s, %(node)s, %(owner)s, %(partner)s, %(transport)s) "
        "ON CONFLICT (group_id, node_id) DO UPDATE SET partner = excluded.partner, "
        "transport = excluded.transport "
        "WHERE gateway.owner = excluded.owner",
        gateway.model_dump(),
    )


def _store_line(
    connection: psycopg.Connection, plant: PlantFile, line: LineEntry, gateway: GatewayEntry
) -> None:
    common = {"plant": plant.plant.id, "owner": plant.plant.owner, "partner": gateway.owner}
    _refuse_other_numbers(connection, plant.plant.id, line)
    _store_owned(
        connection,
        f"line {line.id}",
        "INSERT INTO supplier_line (plant, id, owner, partner, gateway, unloading_point, lead_s, "
        "rack_slots, sequence_wrap, load_order, profile) "
        "SELECT %(plant)s, %(id)s, %(owner)s, %(partner)s, g.id, %(unloading_point)s, %(lead_s)s, "
        "%(rack_slots)s, %(sequence_wrap)s, %(load_order)s, %(profile)s "
        "FROM gateway g WHERE group_id = %(group)s AND node_id = %(node)s "
        "ON CONFLICT (plant, id) DO UPDATE SET gateway = excluded.gateway, "
        "unloading_point = excluded.unloading_point, lead_s = excluded.lead_s, "
        "rack_slots = excluded.rack_slots, sequence_wrap = excluded.sequence_wrap, "
        "load_order = excluded.load_order, profile = excluded.profile "
        "WHERE supplier_line.partner = excluded.partner",
        common
        | line.model_dump(exclude={"part_groups"})
        | {"load_order": line.loads, "profile": _jsonb(line.profile)}
        | gateway.model_dump(exclude={"owner", "partner"}),
    )
    for group in line.part_groups:
        _store_owned(
            connection,
            f"part group {group.id}",
            "INSERT INTO part_group (plant, id, owner, partner, line, control_point, derived_bom, "
            "coloured) VALUES (%(plant)s, %(id)s, %(owner)s, %(partner)s, %(line)s, "
            "%(control_point)s, %(derived_bom)s, %(coloured)s) "
            "ON CONFLICT (plant, id) DO UPDATE SET line = excluded.line, "
            "control_point = excluded.control_point, derived_bom = excluded.derived_bom, "
            "coloured = excluded.coloured WHERE part_group.partner = excluded.partner",
            common
            | {"line": line.id, "derived_bom": group.bom == "derived"}
            | group.model_dump(include={"id", "control_point", "coloured"}),
        )
        if group.bom != "derived":
            rules = [rule.rule(group.id, rank) for rank, rule in enumerate(group.bom, 1)]
            _store_rules(
                connection, plant.plant.id, plant.plant.owner, {group.id: gateway.owner}, rules
            )


def _refuse_other_numbers(connection: psycopg.Connection, plant: str, line: LineEntry) -> None:
    """Racks, slots and sequence numbers follow from a call's place in its line by these: with
    others the calls to come would get what earlier ones have. Raises `InputError`."""
    row = connection.execute(
        "SELECT next_call_no, rack_slots, load_order, sequence_wrap FROM supplier_line "
        "WHERE plant = %s AND id = %s FOR NO KEY UPDATE",
        [plant, line.id],
    ).fetchone()
    if row is None or row[0] == 1:
        return
    names = ("rack_slots", "load_order", "sequence_wrap")
    wanted = (line.rack_slots, line.loads, line.sequence_wrap)
    others = [
        f"line {line.id}: {name} is {known}, and calls are numbered by it; leave it at that "
        f"({name}: {known}), or for {new} add a line of another id and move the part groups to it"
        for name, known, new in zip(names, row[1:], wanted, strict=True)
        if known != new
    ]
    if others:
        raise InputError(others)


def _jsonb(entry: BaseModel | None) -> Jsonb | None:
    return None if entry is None else Jsonb(entry.model_dump(mode="json"))


def _store_owned(
    connection: psycopg.Connection, what: str, statement: str, values: dict[str, Any]
) -> None:
    """An upsert that leaves what belongs to another tenant alone, and then fails."""
    if connection.execute(statement.encode(), values).rowcount == 0:
        raise InputError([f"{what} belongs to another tenant; nothing was loaded"])


def _store_rules(
    connection: psycopg.Connection,
    plant: str,
    owner: str,
    partners: dict[str, str],
    rules: list[BomRule],
) -> None:
    """Replace the rules of the groups in `partners` (supplier by part group)."""
    connection.execute(
        "DELETE FROM bom_rule WHERE plant = %s AND part_group = ANY (%s)", [plant, list(partners)]
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bom_rule (plant, part_group, rank, owner, partner, requires, excludes, "
            "colours, part_no, quantity) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    plant,
                    rule.part_group,
                    rule.rank,
                    owner,
                    partners[rule.part_group],
                    sorted(rule.requires),
                    sorted(rule.excludes),
                    None if rule.colours is None else sorted(rule.colours),
                    rule.part_no,
                    rule.quantity,
                )
                for rule in rules
            ],
        )


def import_book(connection: psycopg.Connection, plant: str, book: OrderBook) -> int:
    """Store a day's orders, all or none; how many. 0: this very book has been imported before.

    Derived bills of material learn the options that are new. Raises `InputError` if the plant is
    unknown, the book's name is taken by another content, or a production number is known already.
    """
    with connection.transaction():
        owner = _owner(connection, plant)
        # Imports of one plant take turns, so that the same book given twice at once is known.
        connection.execute("SELECT FROM plant WHERE id = %s FOR NO KEY UPDATE", [plant])
        known = connection.execute(
            "SELECT checksum FROM order_book WHERE plant = %s AND source = %s",
            [plant, book.source],
        ).fetchone()
        if known is not None:
            if known[0] == book.checksum:
                return 0
            raise InputError(
                [f"{book.source} was imported before, with other content; rename it to import both"]
            )
        connection.execute(
            "INSERT INTO order_book (plant, source, owner, checksum, rules, yesterday) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            [
                plant,
                book.source,
                owner,
                book.checksum,
                Jsonb(_RULES.dump_python(book.rules, mode="json")),
                Jsonb(_CARS.dump_python(book.yesterday, mode="json")),
            ],
        )
        try:
            _copy_orders(connection, plant, owner, book)
        except errors.UniqueViolation:
            raise InputError(_known_numbers(connection, plant, book)) from None
        _derive_rules(connection, plant, owner, book.option_names)
    return len(book.orders)


def _copy_orders(connection: psycopg.Connection, plant: str, owner: str, book: OrderBook) -> None:
    # In a savepoint, so that after a refusal the numbers it stumbled over can be looked up.
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(
            "COPY vehicle_order (plant, production_no, owner, vin, model, colour, options, "
            "given_rank, source) FROM STDIN"
        ) as copy,
    ):
        for rank, order in enumerate(book.orders, 1):
            copy.write_row(
                (
                    plant,
                    order.production_no,
                    owner,
                    order.vin,
                    order.model,
                    order.colour,
                    sorted(order.options),
                    rank,
                    book.source,
                )
            )


def _known_numbers(connection: psycopg.Connection, plant: str, book: OrderBook) -> list[str]:
    rows = connection.execute(
        "SELECT production_no, source FROM vehicle_order "
        "WHERE plant = %s AND production_no = ANY (%s) ORDER BY production_no",
        [plant, [order.production_no for order in book.orders]],
    ).fetchall()
    return [f"{book.source}: production number {n} is known from {s}" for n, s in rows]


def _derive_rules(
    connection: psycopg.Connection, plant: str, owner: str, options: list[str]
) -> None:
    with connection.cursor(row_factory=class_row(_Group)) as cursor:
        groups = cursor.execute(
            "SELECT id, partner, coloured FROM part_group WHERE plant = %s AND derived_bom "
            "ORDER BY id FOR UPDATE",
            [plant],
        ).fetchall()
    if not groups:
        return
    names = [group.id for group in groups]
    dealt: dict[str, str] = dict(
        connection.execute(
            "SELECT requires[1], part_group FROM bom_rule "
            "WHERE plant = %s AND part_group = ANY (%s) AND cardinality(requires) = 1",
            [plant, names],
        ).fetchall()
    )
    rules = derive(deal(names, options, dealt), {group.id: group.coloured for group in groups})
    _store_rules(connection, plant, owner, {group.id: group.partner for group in groups}, rules)


def load_book(connection: psycopg.Connection, plant: str, source: str | None = None) -> OrderBook:
    """An imported day; the newest of the plant if none is named. Raises `InputError`."""
    _owner(connection, plant)
    row = connection.execute(
        "SELECT source, checksum, rules, yesterday FROM order_book "
        "WHERE plant = %(plant)s AND (%(source)s::text IS NULL OR source = %(source)s) "
        "ORDER BY imported_at DESC LIMIT 1",
        {"plant": plant, "source": source},
    ).fetchone()
    if row is None:
        named = f"no order book {source}" if source is not None else "no orders"
        raise InputError([f"plant {plant} has {named}; lineside-hub orders import brings them"])
    orders = connection.execute(
        "SELECT production_no, model, colour, options, vin FROM vehicle_order "
        "WHERE plant = %s AND source = %s ORDER BY given_rank",
        [plant, row[0]],
    )
    return OrderBook(
        source=row[0],
        checksum=row[1],
        orders=tuple(
            Order(number, model, colour, frozenset(options), vin)
            for number, model, colour, options, vin in orders
        ),
        rules=_RULES.validate_python(row[2]),
        yesterday=_CARS.validate_python(row[3]),
    )


def load_rules(connection: psycopg.Connection, plant: str, groups: Sequence[str]) -> list[BomRule]:
    """The bill of material of some of the plant's part groups."""
    return rules_of(connection.execute(_RULES_OF, (plant, list(groups))).fetchall())


def rules_of(rows: Iterable[tuple[Any, ...]]) -> list[BomRule]:
    """The rules by rows of `RULES_AT`."""
    return [
        BomRule(
            group,
            rank,
            part_no,
            quantity,
            frozenset(requires),
            frozenset(excludes),
            None if colours is None else frozenset(colours),
        )
        for group, rank, part_no, quantity, requires, excludes, colours in rows
    ]


def _owner(connection: psycopg.Connection, plant: str) -> str:
    row = connection.execute("SELECT owner FROM plant WHERE id = %s", [plant]).fetchone()
    if row is None:
        raise InputError([f"no plant {plant}; lineside-hub plant load brings it"])
    return str(row[0])
