"""Rack labels of called racks: what is on them, over HTTP and by the command, read by a decoder."""

from __future__ import annotations

from pathlib import Path

import httpx
import pypdfium2
import pytest
import zxingcpp
from typer.testing import CliRunner

from hub.api.settings import ApiSettings
from hub.calls.refused import RefusedError, UnknownError
from hub.cli import app
from hub.labels.racks import rack_labels
from hub.store import Database
from protocols.labels.envelope import parse_envelope
from protocols.labels.identifiers import Datum
from protocols.labels.rack import LoadOrder
from tests.hub.api.conftest import serving
from tests.hub.calls.supply import Supply
from tests.hub.calls.world import PLANT, make_world

RACK = "SEAT1-00001"
PATH = f"/v1/plants/{PLANT}/lines/SEAT1/racks/{RACK}"


def test_a_rack_as_it_is_called(supply: Supply) -> None:
    supply.pass_cars(1)
    (label,) = rack_labels(supply.connection, PLANT, "SEAT1", RACK)
    assert (label.plant, label.supplier, label.supplier_name) == ("P1", "seatworks", "Seats")
    assert (label.licence_plate, label.part_group) == ("P1-SEAT1-00001", "SEAT-FRONT, SEAT-REAR")
    assert label.load_order is LoadOrder.FORWARD
    # Of four slots two are called; the numbers of this line have one digit.
    assert [(s.slot, s.sequence_no, s.is_empty) for s in label.slots] == [
        (1, "1", False), (2, "2", False), (3, "", True), (4, "", True),
    ]  # fmt: skip
    assert label.slots[0].part_no == "SF-BASE"


def test_the_slot_of_a_car_that_left_is_empty(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.connection.execute(
        "INSERT INTO call_event (owner, partner, call, source, kind, body, source_at, message_id)"
        " SELECT owner, partner, id, 'plant', 'cancel', '{}', now(), 'm' FROM jis_call"
        " WHERE rack = %s AND slot = 1",
        (RACK,),
    )
    (label,) = rack_labels(supply.connection, PLANT, "SEAT1", RACK)
    assert [s.is_empty for s in label.slots] == [True, False, False, False]
    assert Datum("Q", "3") in parse_envelope(label.matrix_text)


def test_what_the_profile_says_of_labels(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.set_profile("SEAT1", supplier_no="100234567", licence_plate="UN123456789A")
    (label,) = rack_labels(supply.connection, PLANT, "SEAT1", RACK)
    assert (label.supplier, label.licence_plate) == ("100234567", "UN123456789ASEAT1-00001")
    supply.connection.execute("UPDATE rack SET rack = 'no plate' WHERE rack = %s", (RACK,))
    with pytest.raises(RefusedError, match="licence plate"):
        rack_labels(supply.connection, PLANT, "SEAT1", "no plate")


def test_a_rack_of_more_slots_than_a_label_shows(supply: Supply) -> None:
    supply.connection.execute("UPDATE supplier_line SET rack_slots = 100")
    supply.pass_cars(1)
    labels = rack_labels(supply.connection, PLANT, "SEAT1", RACK)
    assert [len(label.slots) for label in labels] == [48, 48, 4]


def test_a_rack_that_there_is_not(supply: Supply) -> None:
    with pytest.raises(UnknownError, match="no rack X of line SEAT1 in plant P1"):
        rack_labels(supply.connection, PLANT, "SEAT1", "X")


def test_over_http_a_decoder_reads_it(database: Database) -> None:
    make_world(database)
    with (
        serving(database, ApiSettings()) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        passed = {"production_no": "0000001", "passed_at": "2026-03-02T06:15:00Z"}
        client.post(f"/v1/plants/{PLANT}/control-points/TRIM-IN/passes", json=passed)
        answer = client.get(f"{PATH}/label.pdf")
        assert answer.headers["content-type"] == "application/pdf"
        page = pypdfium2.PdfDocument(answer.content)[0]
        found = zxingcpp.read_barcodes(page.render(scale=200 / 72).to_pil().convert("L"))
        assert "1JP1-SEAT1-00001" in {each.text for each in found}
        assert client.get(f"{PATH}/label.zpl").text.startswith("^XA")
        assert client.get(f"{PATH}x/label.pdf").status_code == 404
        assert client.get(f"{PATH}/label.zpl?dots=9").status_code == 422


@pytest.mark.usefixtures("configured")
def test_by_the_command(supply: Supply, tmp_path: Path) -> None:
    supply.pass_cars(1)

    def run(rack: str, name: str) -> tuple[int, str]:
        arguments = ["labels", "rack", "SEAT1", rack, "--out", str(tmp_path / name)]
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, result.output

    assert run(RACK, "label.pdf") == (0, f"{tmp_path}/label.pdf: 1 label\n")
    assert (tmp_path / "label.pdf").read_bytes().startswith(b"%PDF")
    assert run(RACK, "label.zpl")[0] == 0
    code, told = run("X", "label.pdf")
    assert (code, "no rack X of line SEAT1 in plant P1" in told) == (1, True)
    assert run(RACK, "label.doc")[0] == 2
