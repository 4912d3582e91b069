"""Plants and orders in the database: all or nothing, repeatable; derived bills of material."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from hub.orders.generate import generate
from hub.orders.plant import read_plant
from hub.orders.problems import InputError
from hub.orders.profile import Profile, stored_profile
from hub.orders.roadef import read_folder
from hub.orders.store import import_book, load_book, load_rules, store_plant
from hub.sequencing import BillOfMaterial, make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database
from tests.hub.orders import SAMPLE_DAY, SAMPLE_PLANT

GROUPS = ["SEAT-FRONT", "SEAT-REAR", "DOOR-TRIM", "BUMPER", "COCKPIT"]


@pytest.fixture
def plant(database: Database) -> Iterator[psycopg.Connection]:
    """A service connection to a database that holds the sample plant."""
    with database.connect("ingest", autocommit=True) as connection:
        store_plant(connection, read_plant(SAMPLE_PLANT))
        yield connection


def rows(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def test_what_is_imported_comes_back(plant: psycopg.Connection) -> None:
    book = read_folder(SAMPLE_DAY)
    assert import_book(plant, "P1", book) == 120
    assert load_book(plant, "P1") == book
    assert load_book(plant, "P1", "day") == book


def test_an_import_repeated_changes_nothing(plant: psycopg.Connection) -> None:
    import_book(plant, "P1", generate(10, 1))
    assert import_book(plant, "P1", generate(10, 1)) == 0
    assert rows(plant, "vehicle_order") == 10


def test_the_same_book_given_twice_at_once_is_imported_once(
    plant: psycopg.Connection, database: Database
) -> None:
    def bring(_: int) -> int:
        with database.connect("ingest", autocommit=True) as connection:
            return import_book(connection, "P1", generate(50, 1))

    with ThreadPoolExecutor(4) as several:
        assert sorted(several.map(bring, range(4))) == [0, 0, 0, 50]


def test_an_order_known_from_another_book_refuses_the_whole_book(
    plant: psycopg.Connection,
) -> None:
    import_book(plant, "P1", generate(10, 1))
    other = dataclasses.replace(generate(12, 1), source="other")
    with pytest.raises(InputError, match=r"other: production number 000100001 is known from gen"):
        import_book(plant, "P1", other)
    assert rows(plant, "vehicle_order") == 10
    assert rows(plant, "order_book") == 1


def test_a_book_of_the_same_name_and_other_content_is_refused(plant: psycopg.Connection) -> None:
    import_book(plant, "P1", generate(10, 1))
    other = dataclasses.replace(generate(10, 2), source="generated-10-1")
    with pytest.raises(InputError, match="imported before, with other content"):
        import_book(plant, "P1", other)


def test_an_unknown_plant_is_refused(plant: psycopg.Connection) -> None:
    with pytest.raises(InputError, match="no plant P9"):
        import_book(plant, "P9", generate(1, 1))
    with pytest.raises(InputError, match="plant P1 has no orders"):
        load_book(plant, "P1")


def test_every_car_gets_a_part_of_every_derived_group(plant: psycopg.Connection) -> None:
    book = generate(40, 5)
    import_book(plant, "P1", book)
    lines = list(BillOfMaterial(load_rules(plant, "P1", GROUPS)).call_lines(book.instance().cars))
    assert len(lines) == 40 * len(GROUPS)
    assert {line.part_group for line in lines} == set(GROUPS)
    # Each option is a variant of some group.
    rules = load_rules(plant, "P1", GROUPS)
    assert {name for rule in rules for name in rule.requires} == set(book.option_names)
    # Bumpers are painted, seats are not.
    colours = {order.colour for order in book.orders}
    bumpers = {line.part_no.rsplit("-")[-1] for line in lines if line.part_group == "BUMPER"}
    assert bumpers <= colours


def test_options_keep_their_group_when_more_are_imported(plant: psycopg.Connection) -> None:
    import_book(plant, "P1", generate(10, 1))
    before = {rule.part_no for rule in load_rules(plant, "P1", GROUPS)}
    book = generate(1, 2)
    order = dataclasses.replace(book.orders[0], options=frozenset({"AAA-NEW"}))
    import_book(plant, "P1", dataclasses.replace(book, orders=(order,)))
    after = {rule.part_no for rule in load_rules(plant, "P1", GROUPS)}
    assert before < after
    assert len(after) == len(before) + 1


def test_a_plant_may_be_loaded_again_and_changed(plant: psycopg.Connection, tmp_path: Path) -> None:
    import_book(plant, "P1", generate(10, 1))
    rules = load_rules(plant, "P1", GROUPS)
    store_plant(plant, read_plant(SAMPLE_PLANT))
    assert load_rules(plant, "P1", GROUPS) == rules
    path = tmp_path / "plant.yaml"
    text = SAMPLE_PLANT.read_text().replace("takt_s: 60", "takt_s: 55")
    path.write_text(
        text.replace(
            "{id: COCKPIT, control_point: TRIM-IN, bom: derived}",
            "{id: COCKPIT, control_point: TRIM-IN, bom: "
            "[{part_no: C-1, requires: [AWD], quantity: 2}, {part_no: C-2, colours: [red]}]}",
        )
    )
    store_plant(plant, read_plant(path))
    assert plant.execute("SELECT takt_s FROM plant").fetchone() == (55.0,)
    cockpits = [rule for rule in load_rules(plant, "P1", GROUPS) if rule.part_group == "COCKPIT"]
    assert [(rule.rank, rule.part_no, rule.quantity) for rule in cockpits] == [
        (1, "C-1", 2),
        (2, "C-2", 1),
    ]


def test_what_belongs_to_another_tenant_is_left_alone(
    plant: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "plant.yaml"
    text = SAMPLE_PLANT.read_text().replace("trimworks, partner", "seatworks, partner")
    path.write_text(text.replace("takt_s: 60", "takt_s: 55"))
    with pytest.raises(InputError, match="gateway trimworks/gw-trim belongs to another tenant"):
        store_plant(plant, read_plant(path))
    assert plant.execute("SELECT takt_s FROM plant").fetchone() == (60.0,)


def test_racks_and_numbers_of_a_line_with_calls_stay_as_they_are(
    plant: psycopg.Connection, tmp_path: Path
) -> None:
    """With eight slots a rack and not twelve the next call would get an earlier one's slot."""
    path = tmp_path / "plant.yaml"
    text = SAMPLE_PLANT.read_text()
    assert text.count("rack_slots: 12") == 1
    path.write_text(text.replace("rack_slots: 12", "rack_slots: 8"))
    store_plant(plant, read_plant(path))
    store_plant(plant, read_plant(SAMPLE_PLANT))  # there are no calls yet
    plant.execute("UPDATE supplier_line SET next_call_no = 2")
    store_plant(plant, read_plant(SAMPLE_PLANT))
    with pytest.raises(InputError, match="line SEAT1: rack_slots is 12, and calls are numbered"):
        store_plant(plant, read_plant(path))
    path.write_text(path.read_text().replace("SEAT1", "SEAT2"))  # as the refusal advises
    store_plant(plant, read_plant(path))
    moved = "SELECT DISTINCT line FROM part_group WHERE id LIKE 'SEAT%'"
    assert plant.execute(moved).fetchall() == [("SEAT2",)]


def test_a_sequence_is_stored_in_order(plant: psycopg.Connection) -> None:
    import_book(plant, "P1", read_folder(SAMPLE_DAY))
    chain = make_sequence(load_book(plant, "P1").instance())
    number = store_sequence(plant, "P1", chain)
    stored = plant.execute(
        "SELECT production_no FROM sequence_position WHERE sequence = %s ORDER BY position",
        [number],
    ).fetchall()
    assert [n for (n,) in stored] == [car.production_no for car in chain.cars]
    score = plant.execute("SELECT method, score->>'mark' FROM production_sequence").fetchone()
    assert score == ("given", "83024118")


def test_the_profile_of_a_line_comes_back(plant: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "plant.yaml"
    path.write_text(SAMPLE_PLANT.read_text().replace("DOCK-7: drive_through", "DOCK-7: rear"))
    given = read_plant(path)
    store_plant(plant, given)
    found = plant.execute("SELECT id, load_order, profile FROM supplier_line ORDER BY id")
    (_, seats, profile), (_, trim, bare) = found.fetchall()
    assert (seats, trim) == ("reversed", "forward")
    assert stored_profile(profile) == given.lines[0].profile
    assert stored_profile(bare) == Profile()
    assert stored_profile({**profile, "of_another_version": 1}).needed_s == 9060
