"""Files of partners without a gateway: into calls, out of them, once, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hub.calls.called import By
from hub.calls.commands import cancel, pull_out, reinsert
from hub.calls.content import change_call
from hub.calls.previews import refresh_demand
from hub.calls.reorders import reorder
from hub.calls.resequenced import swap
from hub.cli import app
from hub.edi.folders import Folders
from hub.edi.inbound import Imported, import_file
from hub.edi.log import messages_of
from hub.edi.outbound import export
from hub.edi.partners import Partner, store_partner
from hub.identity.audit import NEWEST, entries
from hub.store import Database
from protocols.edifact.calls import read_calls, write_calls
from protocols.edifact.content import (
    CallMessage,
    CallPart,
    CarCall,
    Firmness,
    Forecast,
    ForecastLine,
    ForecastQuantity,
    Function,
    Package,
    PackedPart,
    ShipNotice,
)
from protocols.edifact.forecast import read_forecast, write_forecast
from protocols.edifact.interchange import Header, Interchange, read_interchange, write_interchange
from protocols.edifact.problems import EdifactError
from protocols.edifact.profile import EdiProfile
from protocols.edifact.shipment import write_shipment
from protocols.edifact.structure import MessageModel
from tests.hub.calls.plant import by
from tests.hub.calls.supply import Supply, key, serial
from tests.hub.calls.world import OWNER, PLANT, passed_at, put_in_sequence

CODES = EdiProfile(time_form="204")
NOW = passed_at(3)
TRIM = Partner(
    OWNER, "trimworks", PLANT, "CAR01", "ZZ", "TRIM9", "ZZ", CODES.model_dump(mode="json")
)
_OWN_PLANT = """
INSERT INTO gateway (owner, partner, group_id, node_id)
VALUES ('seatworks', 'seatworks', 'sw', 'g');
INSERT INTO plant (id, owner, takt_s) VALUES ('SW', 'seatworks', 60);
INSERT INTO control_point (plant, id, owner, rank) VALUES ('SW', 'CALLED', 'seatworks', 1);
INSERT INTO supplier_line (plant, id, owner, partner, gateway, unloading_point, lead_s, rack_slots)
SELECT 'SW', 'LINE-A', 'seatworks', 'seatworks', id, 'OUT', 3600, 4 FROM gateway
WHERE node_id = 'g';
INSERT INTO part_group (plant, id, owner, partner, line, control_point)
VALUES ('SW', 'SEAT', 'seatworks', 'seatworks', 'LINE-A', 'CALLED');
"""


@pytest.fixture
def edi(supply: Supply) -> Supply:
    """The trim supplier is served by EDI."""
    supply.connection.execute("UPDATE gateway SET transport = 'edi' WHERE node_id = 'gw-trim'")
    store_partner(supply.connection, TRIM)
    return supply


@pytest.fixture
def own(supply: Supply) -> Supply:
    """The seat supplier runs a plant of its own, and is called by EDI."""
    supply.connection.execute(_OWN_PLANT)
    store_partner(
        supply.connection,
        Partner(
            *("seatworks", OWNER, "SW", "SEAT7", "", "CAR01", ""), CODES.model_dump(mode="json")
        ),
    )
    return supply


def file(
    models: Sequence[MessageModel], reference: str, sender: str = "TRIM9", recipient: str = "CAR01"
) -> bytes:
    header = Header(sender, recipient, reference, datetime(2026, 3, 2, 7, 0))
    messages = tuple(model.as_message(str(n)) for n, model in enumerate(models, 1))
    return write_interchange(Interchange(header, messages))


def notice(*cars: int, document: str = "LS-1", **changes: Any) -> MessageModel:
    parts = tuple(
        PackedPart(
            part_no="DT-RED", quantity=Decimal(1), production_no=f"{car:07d}", slot=car,
            serial_no=serial(key(car)),
        )
        for car in cars
    )  # fmt: skip
    content = ShipNotice(
        document_no=document,
        function=Function.ORIGINAL,
        issued_at=NOW,
        shipped_at=NOW,
        expected_at=NOW + timedelta(hours=1),
        vehicle="KA-LS 1",
        packages=(Package(label="TRIM1-00001", parts=parts),),
    )
    return write_shipment(content.model_copy(update=changes), CODES)


def take(supply: Supply, data: bytes, now: datetime = NOW) -> Imported:
    return import_file(supply.connection, data, now)


def written(supply: Supply) -> list[Interchange]:
    """What went out so far."""
    rows = supply.connection.execute("SELECT body FROM edi_file ORDER BY id").fetchall()
    return [read_interchange(bytes(body)) for (body,) in rows]


def answer(supply: Supply) -> list[tuple[str, ...]]:
    """The last CONTRL, segment by segment."""
    (message,) = written(supply)[-1].messages
    assert message.kind == "CONTRL"
    return [(s.tag, *("+".join(filter(None, e)) for e in s.elements)) for s in message.segments[1:]]


def one(supply: Supply, query: str) -> Any:
    row = supply.connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_calls_go_out_and_count_as_acknowledged(edi: Supply) -> None:
    edi.pass_cars(1, 2)
    (name,) = export(edi.connection, OWNER, NOW)
    assert name == "trimworks-00000001.edi"
    (sent,) = written(edi)
    assert (sent.header.sender, sent.header.recipient) == ("CAR01", "TRIM9")
    first, second = (read_calls(message, CODES) for message in sent.messages)
    assert first.function is Function.ORIGINAL
    (car,) = first.cars
    assert (car.production_no, car.line, car.rack, car.slot) == (
        "0000001", "TRIM1", "TRIM1-00001", 1,
    )  # fmt: skip
    assert (car.parts[0].part_no, car.parts[0].part_group) == ("DT-RED", "DOOR-TRIM")
    assert car.deliver_by == passed_at(1) + timedelta(seconds=600)
    assert second.cars[0].production_no == "0000002"
    assert edi.part(key(1)) == "received"
    # The seat supplier's calls wait for its gateway; nothing is told twice.
    assert one(edi, "SELECT count(*) FROM jis_call WHERE acknowledged_at IS NULL") == 4
    assert export(edi.connection, OWNER, NOW) == []


def test_a_cancelled_car_goes_out_as_such(edi: Supply) -> None:
    edi.pass_cars(1)
    export(edi.connection, OWNER, NOW)
    cancel(edi.connection, OWNER, PLANT, "0000001", By("me", "m1", NOW, "no buyer"))
    export(edi.connection, OWNER, NOW)
    call = read_calls(written(edi)[-1].messages[0], CODES)
    assert (call.function, call.cars[0].production_no) == (Function.CANCEL, "0000001")


def said(edi: Supply, since: int) -> list[tuple[Function, str, int | None, str]]:
    """What files from a number on tell of calls: function, car, sequence number, part."""
    return [
        (message.function, car.production_no, car.sequence_no, part.part_no)
        for interchange in written(edi)[since:]
        for model in interchange.messages
        for message in [read_calls(model, CODES)]
        for car in message.cars
        for part in car.parts
    ]


def test_changes_go_out_as_such(edi: Supply) -> None:
    edi.set_profile("TRIM1", delivery="delta")
    edi.pass_cars(1, 2)
    export(edi.connection, OWNER, NOW)
    change_call(edi.connection, OWNER, key(1), by(), {"part_no": "DT-GREEN"})
    swap(edi.connection, OWNER, PLANT, "0000001", "0000002", by())
    export(edi.connection, OWNER, NOW)
    assert said(edi, 1) == [
        (Function.CHANGE, "0000001", 1, "DT-GREEN"),
        (Function.CHANGE, "0000001", 2, "DT-GREEN"),
        (Function.CHANGE, "0000002", 1, "DT-RED"),
    ]


def test_a_held_car_goes_out_as_cancelled_and_called_again_when_it_is_back(edi: Supply) -> None:
    """What changes of it meanwhile is in the call that comes then, and nowhere before."""
    edi.set_profile("TRIM1", delivery="delta")
    edi.pass_cars(1, 2)
    export(edi.connection, OWNER, NOW)
    pull_out(edi.connection, OWNER, PLANT, "0000001", by())
    change_call(edi.connection, OWNER, key(1), by(), {"part_no": "DT-GREEN"})
    export(edi.connection, OWNER, NOW)
    assert said(edi, 1) == [(Function.CANCEL, "0000001", 1, "DT-GREEN")]
    reinsert(edi.connection, OWNER, PLANT, "0000001", by())
    change_call(edi.connection, OWNER, key(1), by(), {"part_no": "DT-BLUE"})
    export(edi.connection, OWNER, NOW)
    assert said(edi, 2) == [
        (Function.ORIGINAL, "0000001", 3, "DT-BLUE"),
        (Function.CHANGE, "0000001", 3, "DT-BLUE"),
    ]
    documents = [m.document_no for m in messages_of(edi.connection, OWNER, NEWEST, 10)]
    assert len(documents) == len(set(documents)), "no call goes under the number of another"


def test_a_reorder_goes_out_with_what_it_is_a_reorder_of(edi: Supply) -> None:
    edi.pass_cars(1)
    edi.pack(key(1))
    edi.say(key(1), "scrapped")
    reorder(edi.connection, OWNER, key(1), by())
    export(edi.connection, OWNER, NOW)
    messages = [read_calls(model, CODES) for model in written(edi)[0].messages]
    assert [m.cars[0].parts[0].reorder_of for m in messages] == ["", "0000001/0"]


def test_the_demand_ahead_goes_out_by_day(edi: Supply) -> None:
    edi.set_profile("TRIM1", preview_days=2)
    put_in_sequence(edi.connection, 1, 2, 3)
    refresh_demand(edi.connection, PLANT, NOW)
    export(edi.connection, OWNER, NOW)
    (message,) = written(edi)[-1].messages
    forecast = read_forecast(message, CODES)
    assert forecast.function is Function.REPLACE
    (line,) = forecast.lines
    assert (line.part_no, line.unloading_point) == ("DT-RED", "DOCK-1")
    assert [(q.start, q.quantity) for q in line.quantities] == [(date(2026, 3, 2), Decimal(3))]


def test_a_dispatch_advice_is_a_shipment_of_calls(edi: Supply) -> None:
    edi.pass_cars(1, 2)
    data = file([notice(1, 2)], "100")
    assert take(edi, data).status == "taken"
    assert [edi.part(key(car)) for car in (1, 2)] == ["shipped", "shipped"]
    assert one(edi, "SELECT vehicle FROM shipment WHERE id = 'LS-1'") == "KA-LS 1"
    assert one(edi, "SELECT serial FROM jis_call WHERE production_no = '0000001'"
               " AND line = 'TRIM1'") == serial(key(1))  # fmt: skip
    told = edi.connection.execute(
        "SELECT kind, message_id, actor FROM call_event e JOIN jis_call c ON c.id = e.call"
        " WHERE c.production_no = '0000001' AND e.source = 'supplier' ORDER BY e.id"
    ).fetchall()
    assert [kind for kind, _, _ in told] == [
        "accepted", "produced", "inspected", "packed", "shipped",
    ]  # fmt: skip
    assert told[-1][1:] == ("edi trimworks 100/1 shipped", "edi trimworks")
    assert answer(edi) == [("UCM", "1", "DESADV+D+97A+UN", "7")]
    assert [e.via for e in entries(edi.connection, OWNER)] == ["edi"]

    again = take(edi, data)
    assert again.status == "duplicate"
    assert one(edi, "SELECT count(*) FROM shipment") == 1
    assert one(edi, "SELECT count(*) FROM call_event WHERE kind = 'shipped'") == 2
    other = take(edi, file([notice(1, document="LS-2")], "100"))
    assert other.status == "refused"
    assert "another file with this reference" in str(other.problems[0])


def test_what_is_wrong_is_refused_with_segment_and_reason(edi: Supply) -> None:
    edi.pass_cars(1)
    taken = take(edi, file([notice(1), notice(1, 9, document="LS-2")], "101"))
    assert taken.status == "refused"
    wrong = [p for p in taken.problems if p.message == "2"]
    assert [(p.tag, p.reason) for p in wrong] == [
        ("LIN", "part DT-RED was not called for car 0000009")
    ]
    # Whole or not at all: the first message was in order.
    assert edi.part(key(1)) == "released"
    assert one(edi, "SELECT count(*) FROM shipment") == 0
    assert {s for s in answer(edi) if s[0] == "UCM"} == {
        ("UCM", "1", "DESADV+D+97A+UN", "4"), ("UCM", "2", "DESADV+D+97A+UN", "4"),
    }  # fmt: skip
    noted = messages_of(edi.connection, OWNER, NEWEST, 10)
    assert {(m.direction, m.kind, m.status) for m in noted} == {
        ("in", "DESADV", "refused"), ("out", "CONTRL", "sent"),
    }  # fmt: skip
    assert "was not called for car 0000009" in noted[-1].errors[0]
    # Mended, it is taken under the same reference: nothing of it counted.
    assert take(edi, file([notice(1)], "101")).status == "taken"


def test_a_shipment_is_known_once_whatever_file_says_it(edi: Supply) -> None:
    edi.pass_cars(1)
    take(edi, file([notice(1)], "102"))
    again = take(edi, file([notice(1)], "103"))
    assert again.status == "refused"
    assert "shipment LS-1 is known already" in str(again.problems[0])


@pytest.mark.parametrize("sender", ["NOBODY", "CAR01"])
def test_a_sender_that_nobody_knows(edi: Supply, sender: str) -> None:
    with pytest.raises(EdifactError, match="no partner sends as"):
        take(edi, file([notice(1)], "1", sender=sender))


def deljit(
    function: Function,
    *cars: int,
    part_no: str = "S-1",
    group: str = "SEAT",
    document: str = "D1",
    **more: Any,
) -> MessageModel:
    content = CallMessage(
        document_no=document,
        function=function,
        called_at=NOW,
        control_point="M100",
        cars=tuple(
            CarCall(
                production_no=f"K{car}", vin="WVWZZZ1JZXW000001", sequence_no=car,
                deliver_by=NOW + timedelta(hours=6), unloading_point="TOR 7",
                parts=(CallPart(part_no=part_no, part_group=group, **more),),
            )
            for car in cars
        ),
    )  # fmt: skip
    return write_calls(content, CODES)


def called(supply: Supply, *models: MessageModel, reference: str) -> Imported:
    return take(supply, file(models, reference, sender="CAR01", recipient="SEAT7"))


def calls(supply: Supply) -> list[tuple[Any, ...]]:
    return supply.connection.execute(
        "SELECT production_no, sequence_no, part_no, car FROM jis_call WHERE plant = 'SW'"
        " ORDER BY call_no"
    ).fetchall()


def test_calls_come_in_change_and_are_cancelled(own: Supply) -> None:
    assert called(own, deljit(Function.ORIGINAL, 1, 2), reference="1").problems == []
    assert calls(own) == [("K1", 1, "S-1", "released"), ("K2", 2, "S-1", "released")]
    assert one(own, "SELECT vin FROM vehicle_order WHERE plant = 'SW' AND production_no = 'K1'")
    assert len(own.records("call", "g")) == 2
    # Said again in another file: they are known.
    assert called(own, deljit(Function.ORIGINAL, 1), reference="2").status == "taken"
    assert len(calls(own)) == 2
    changed = called(own, deljit(Function.CHANGE, 1, part_no="S-2"), reference="3")
    assert changed.problems == []
    assert called(own, deljit(Function.CANCEL, 2), reference="4").problems == []
    assert calls(own) == [("K1", 1, "S-2", "released"), ("K2", 2, "S-1", "cancelled")]
    assert len(own.records("change", "g")) == 1
    assert len(own.records("cancel", "g")) == 1
    # A part that is ordered again is another call, by express.
    assert (
        called(own, deljit(Function.ORIGINAL, 1, reorder_of="K1/0"), reference="5").problems == []
    )
    assert one(own, "SELECT priority FROM jis_call WHERE reorder_index = 1") == "express"


def test_a_cancelled_car_that_comes_back_is_called_again(own: Supply) -> None:
    """And reordered twice in the end; what is said again changes nothing."""
    first = deljit(Function.ORIGINAL, 1)
    called(own, first, reference="1")
    called(own, deljit(Function.CANCEL, 1, document="D2"), reference="2")
    assert called(own, first, reference="3").problems == []
    assert len(calls(own)) == 1, "the first message, late and in another file"
    back = deljit(Function.ORIGINAL, 1, part_no="S-2", document="D3")
    for reference in ("4", "5"):
        assert called(own, back, reference=reference).problems == []
    assert calls(own) == [("K1", 1, "S-1", "cancelled"), ("K1", 1, "S-2", "released")]
    changed = deljit(Function.CHANGE, 1, part_no="S-3", document="D4")
    assert called(own, changed, reference="6").problems == []
    for n in (0, 1):
        again = deljit(Function.ORIGINAL, 1, reorder_of=f"K1/{n}", document=f"D5{n}")
        for reference in (f"7{n}", f"8{n}"):
            assert called(own, again, reference=reference).problems == []
    found = own.connection.execute(
        "SELECT reorder_index, part_no, priority, car FROM jis_call WHERE plant = 'SW' ORDER BY id"
    ).fetchall()
    assert found == [
        (0, "S-1", "normal", "cancelled"),
        (1, "S-3", "normal", "released"),
        (2, "S-1", "express", "released"),
        (3, "S-1", "express", "released"),
    ]


def test_calls_that_cannot_be(own: Supply) -> None:
    unknown = called(own, deljit(Function.ORIGINAL, 1, group="SEET"), reference="1")
    assert unknown.problems[0].tag == "LIN"
    assert "no part group 'SEET' in plant SW; did you mean SEAT?" in str(unknown.problems[0])
    gone = called(own, deljit(Function.CANCEL, 5), reference="2")
    assert gone.status == "refused"
    assert calls(own) == []


def test_a_forecast_replaces_the_one_before(own: Supply) -> None:
    def forecast(quantity: int, issued_at: datetime) -> MessageModel:
        period = ForecastQuantity(
            firmness=Firmness.PRODUCTION, quantity=Decimal(quantity),
            start=date(2026, 3, 9), end=date(2026, 3, 15),
        )  # fmt: skip
        return write_forecast(
            Forecast(
                document_no=f"F{quantity}", function=Function.REPLACE, issued_at=issued_at,
                lines=(ForecastLine(part_no="S-1", quantities=(period,)),),
            ),
            CODES,
        )  # fmt: skip

    def known() -> list[tuple[Any, ...]]:
        return own.connection.execute(
            "SELECT part_no, first_day, quantity, document_no FROM part_forecast"
        ).fetchall()

    called(own, forecast(100, NOW), reference="1")
    called(own, forecast(80, NOW + timedelta(days=1)), reference="2")
    assert known() == [("S-1", date(2026, 3, 9), Decimal(80), "F80")]
    # An older one that was held up on the way changes nothing.
    assert called(own, forecast(100, NOW), reference="3").status == "taken"
    assert known() == [("S-1", date(2026, 3, 9), Decimal(80), "F80")]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return Folders(OWNER, tmp_path / "in", tmp_path / "out")


def test_folders_that_are_watched(edi: Supply, folders: Folders) -> None:
    edi.pass_cars(1)
    (folders.incoming / "a.edi").write_bytes(file([notice(1)], "7"))
    (folders.incoming / "b.edi").write_bytes(b"UNB+nonsense'")
    (folders.incoming / "c.edi.part").write_bytes(b"half of it")
    # A file that may still be growing is left alone for one look.
    assert folders.round(edi.connection) == 1
    assert {p.name for p in folders.outgoing.iterdir()} == {"trimworks-00000001.edi"}
    assert folders.round(edi.connection) == 3
    assert {str(p.relative_to(folders.incoming)) for p in folders.incoming.rglob("*.*")} == {
        "done/a.edi", "refused/b.edi", "refused/b.edi.txt", "c.edi.part",
    }  # fmt: skip
    assert "segment 1 UNB" in (folders.incoming / "refused" / "b.edi.txt").read_text()
    assert {p.name for p in folders.outgoing.iterdir()} == {
        "trimworks-00000001.edi", "trimworks-00000002-contrl.edi",
    }  # fmt: skip
    assert folders.round(edi.connection) == 0


def test_the_record_of_messages_is_append_only(edi: Supply, database: Database) -> None:
    take(edi, file([notice(1)], "1"))
    for statement in ("UPDATE edi_message SET status = 'taken'", "DELETE FROM edi_message"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            edi.connection.execute(statement.encode())


@pytest.mark.usefixtures("configured")
def test_by_the_command(supply: Supply, tmp_path: Path) -> None:
    def run(*arguments: Any) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["edi", *map(str, arguments)])
        return result.exit_code, result.output

    supply.connection.execute("UPDATE gateway SET transport = 'edi' WHERE node_id = 'gw-trim'")
    ids = ["--our-id", "CAR01", "--their-id", "TRIM9"]
    assert run("profile", "trimworks", "--tenant", OWNER)[0] == 1
    code, told = run("profile", "trimworks", "--tenant", OWNER, "--plant", PLANT, *ids)
    assert (code, told) == (0, "trimworks: TRIM9 speaks with CAR01 as generic has it\n")
    assert "plant P1, TRIM9 speaks with CAR01" in run("profile", "trimworks", "--tenant", OWNER)[1]
    assert run("profile", "nobody", "--tenant", OWNER, "--plant", PLANT, *ids)[0] == 1
    supply.pass_cars(1)
    assert run("export", "--tenant", OWNER, "--out", tmp_path) == (0, f"{tmp_path}: 1 file\n")
    path = tmp_path / "advice.edi"
    path.write_bytes(file([notice(1)], "9"))
    code, told = run("import", path)
    assert (code, told) == (0, f"{path}: interchange 9 of trimworks (DESADV): taken\n")
    assert run("import", path)[1].endswith("duplicate\n")
    path.write_bytes(file([notice(7, document="LS-7")], "10"))
    code, told = run("import", path)
    assert code == 1
    assert "LIN: part DT-RED was not called for car 0000007" in told
    assert "9/1  taken" in run("log", "--tenant", OWNER)[1]
    assert run("forecast", PLANT)[0] == 1
    supply.connection.execute(
        """INSERT INTO part_forecast (plant, owner, partner, part_no, first_day, last_day, firmness,
            quantity, document_no, issued_at)
        VALUES ('P1', 'carmaker', 'trimworks', 'DT-RED', '2026-03-02', '2026-03-08', 'firm', 0,
            'F1', now())"""
    )
    assert run("forecast", PLANT) == (
        0,
        "DT-RED of trimworks, F1:\n    2026-03-02 to 2026-03-08  expected 0  called 1  open -1  "
        "firm  beyond the forecast\n",
    )
    assert NOW.tzinfo is UTC
