"""A supplier and a dock that speak by function, past broker and HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from hub.calls import dock
from hub.calls.history import FoundCall, add, find_call
from hub.calls.notify import CHANGES, calls_changed
from hub.calls.release import release
from hub.calls.shipments import find_line, ship
from protocols.jis.messages import CallKey, Shipment, ShippedRack, ShippedSlot
from tests.hub.calls.world import OWNER, PLANT, POINT, passed_at

LEFT_AT = passed_at(5)
TIMES: dict[str, Any] = {"transport_s": 120, "unload_s": 30, "lineside_s": 30, "safety_s": 60}
"""Of the line's profile: three minutes from leaving to the fitting station."""


def key(car: int, group: str = "DOOR-TRIM", line: str = "TRIM1") -> CallKey:
    """The call of the n-th car; of seats, say which."""
    return CallKey(plant=PLANT, line=line, production_no=f"{car:07d}", part_group=group)


def seat(car: int, group: str = "SEAT-FRONT") -> CallKey:
    """A seat of the n-th car: four of them fill a rack."""
    return key(car, group, "SEAT1")


@dataclass
class Supply:
    """One connection, on which everybody speaks."""

    connection: psycopg.Connection
    count: Any = field(default_factory=lambda: itertools.count(1))

    def pass_cars(self, *numbers: int) -> None:
        for number in numbers:
            release(self.connection, OWNER, PLANT, POINT, f"{number:07d}", passed_at(number))

    def found(self, of: CallKey) -> FoundCall:
        call = find_call(self.connection, of)
        assert call is not None
        return call

    def say(self, of: CallKey, kind: str, source: Any = "supplier", **body: Any) -> None:
        """An event of this source."""
        at = body.pop("at", passed_at(3))
        serial = body.pop("serial", None)
        add(
            self.connection, self.found(of), source, kind, at,
            body=body, serial=serial, message_id=f"m{next(self.count)}",
        )  # fmt: skip
        for payload in calls_changed([(of.plant, of.line, OWNER, self.found(of).partner)]):
            self.connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, payload))

    def inspect(self, *keys: CallKey) -> None:
        """Built and found in order, each with its own serial."""
        for of in keys:
            self.say(of, "accepted")
            self.say(of, "produced", serial=serial(of))
            self.say(of, "inspected", verdict="ok")

    def pack(self, *keys: CallKey) -> None:
        """Built and scanned where they belong."""
        self.inspect(*keys)
        for of in keys:
            call = self.found(of)
            self.say(of, "packed", serial=serial(of), rack=call.rack, slot=call.slot)

    def slots(self, rack: str, line: str = "TRIM1") -> dict[int, tuple[CallKey, str]]:
        """What a rack is to hold: by slot, call and serial."""
        rows = self.connection.execute(
            "SELECT slot, production_no, part_group FROM jis_call"
            " WHERE line = %s AND rack = %s ORDER BY slot",
            (line, rack),
        ).fetchall()
        found = {}
        for slot, production_no, group in rows:
            of = CallKey(plant=PLANT, line=line, production_no=production_no, part_group=group)
            found[slot] = (of, serial(of))
        return found

    def ship(
        self,
        shipment: str,
        racks: Mapping[str, Mapping[int, tuple[CallKey, str]]] | list[str],
        line: str = "TRIM1",
        at: datetime = LEFT_AT,
        eta: datetime | None = None,
    ) -> None:
        """A truck leaves with these racks: as called if only their names are given."""
        if isinstance(racks, list):
            racks = {rack: self.slots(rack, line) for rack in racks}
        message = Shipment(
            plant=PLANT, line=line, shipment=shipment, departed_at=at, eta=eta,
            racks=[
                ShippedRack(
                    rack=rack,
                    slots=[
                        ShippedSlot(slot=slot, key=of, serial=number)
                        for slot, (of, number) in content.items()
                    ],
                )
                for rack, content in racks.items()
            ],
        )  # fmt: skip
        found = find_line(self.connection, PLANT, line)
        assert found is not None
        ship(self.connection, found, message, message.model_dump(mode="json"))
        for content in racks.values():
            for of, _ in content.values():
                if find_call(self.connection, of) is not None:
                    self.say(of, "shipped", shipment=shipment)

    def arrive(self, shipment: str, line: str = "TRIM1", **more: Any) -> list[str]:
        return dock.arrive(
            self.connection, OWNER, PLANT, line, shipment, LEFT_AT + timedelta(minutes=2), "gate",
            **more,
        )  # fmt: skip

    def scan(
        self, shipment: str, rack: str, slot: int, number: str | None, line: str = "TRIM1"
    ) -> dock.Receipt:
        """One slot at the dock."""
        scan = dock.Scan(rack, slot, LEFT_AT + timedelta(minutes=3), number)
        (receipt,) = dock.receive(self.connection, OWNER, PLANT, line, shipment, [scan], "worker 7")
        return receipt

    def set_profile(self, line: str = "TRIM1", **numbers: Any) -> None:
        self.connection.execute(
            "UPDATE supplier_line SET profile = %s WHERE id = %s", (Jsonb(numbers), line)
        )

    def part(self, of: CallKey) -> str:
        return self.found(of).part

    def rack(self, name: str) -> str:
        """Its status."""
        row = self.connection.execute("SELECT status FROM rack WHERE rack = %s", (name,)).fetchone()
        assert row is not None
        return str(row[0])

    def open(self, but: str = "") -> dict[str, Any]:
        """The open exceptions but those of a kind: kind to detail."""
        rows = self.connection.execute(
            "SELECT kind, detail FROM exception WHERE closed_at IS NULL AND kind <> %s ORDER BY id",
            (but,),
        ).fetchall()
        assert len(rows) == len(dict(rows)), "two of one kind"
        return dict(rows)

    def told(self, kind: str) -> list[str]:
        """Whom the exceptions of a kind were told to, open or closed."""
        row = self.connection.execute(
            "SELECT told FROM exception WHERE kind = %s ORDER BY id DESC LIMIT 1", (kind,)
        ).fetchone()
        assert row is not None
        return list(row[0])

    def records(self, kind: str, gateway: str = "gw-trim") -> list[Any]:
        """What was sent to a gateway, of one kind, in order."""
        rows = self.connection.execute(
            "SELECT record FROM call_outbox o JOIN gateway g ON g.id = o.gateway"
            " WHERE g.node_id = %s AND record ->> 'kind' = %s ORDER BY record_offset",
            (gateway, kind),
        ).fetchall()
        return [record for (record,) in rows]


def serial(of: CallKey) -> str:
    """Of the part built for a call."""
    return f"S-{of.production_no}-{of.part_group}"
