"""What messages say: the golden ones, and any content there and back under two profiles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.edi.profiles import SAMPLES, read_profile
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
from protocols.edifact.forecast import write_forecast
from protocols.edifact.interchange import read_interchange, write_interchange
from protocols.edifact.messages import read_content
from protocols.edifact.problems import EdifactError
from protocols.edifact.profile import EdiProfile
from protocols.edifact.shipment import write_shipment
from tests.protocols.edifact.samples import changed, golden_message, interchange_of, texts

GENERIC = EdiProfile()
HOUSE = read_profile(SAMPLES / "sequence-house.yaml")


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 28, hour, minute, tzinfo=UTC)


def test_a_call() -> None:
    assert read_content(golden_message("deljit"), GENERIC) == CallMessage(
        document_no="CALL-2026-0815",
        function=Function.ORIGINAL,
        called_at=at(14, 5),
        control_point="M100",
        customer="PLANT01",
        supplier="100234567",
        cars=(
            CarCall(
                production_no="4711001",
                vin="WVWZZZ1JZXW000001",
                sequence_no=9999,
                function=Function.ORIGINAL,
                line="LINE 1",
                deliver_by=at(19, 5),
                unloading_point="TOR 7",
                rack="RACK-0042",
                slot=12,
                parts=(
                    CallPart(
                        part_no="5K0807217  GRU",
                        unit="PCE",
                        part_group="BUMPER-F",
                        fitting_point="T17",
                        reorder_of="CALL-2026-0700",
                    ),
                    CallPart(
                        part_no="5K0807218+A", quantity=Decimal(2), unit="PCE",
                        part_group="BUMPER-F",
                    ),
                ),
            ),
            CarCall(
                production_no="4711002",
                sequence_no=0,
                function=Function.ORIGINAL,
                deliver_by=at(19, 6),
                unloading_point="TOR 7",
                pre_series=True,
                parts=(
                    CallPart(part_no="5K0807217  GRU", unit="PCE", function=Function.CANCEL),
                ),
            ),
        ),
    )  # fmt: skip


def test_a_forecast() -> None:
    firm, planned = Firmness.FIRM, Firmness.FORECAST
    assert read_content(golden_message("delfor"), GENERIC) == Forecast(
        document_no="LAB-48",
        previous_no="LAB-47",
        function=Function.REPLACE,
        issued_at=datetime(2026, 11, 23, tzinfo=UTC),
        horizon_start=date(2026, 11, 23),
        horizon_end=date(2027, 2, 28),
        customer="PLANT01",
        supplier="100234567",
        lines=(
            ForecastLine(
                part_no="5K0807217",
                supplier_part_no="B-217",
                unit="PCE",
                unloading_point="TOR 7",
                order_no="5500012345",
                cumulative_since=date(2026, 1, 1),
                cumulative_received=Decimal(18240),
                last_received=Decimal(96),
                last_despatch_no="LS-4471",
                quantities=(
                    days(firm, 120, date(2026, 11, 24), date(2026, 11, 24), 18360),
                    days(firm, 96, date(2026, 11, 25), date(2026, 11, 25)),
                    days(planned, 600, date(2026, 11, 30), date(2026, 12, 6)),
                    days(planned, 2400, date(2026, 12, 7), date(2027, 1, 3)),
                ),
            ),
        ),
    )


def days(
    firmness: Firmness, quantity: int, start: date, end: date, cumulative: int | None = None
) -> ForecastQuantity:
    return ForecastQuantity(
        firmness=firmness,
        quantity=Decimal(quantity),
        start=start,
        end=end,
        cumulative=None if cumulative is None else Decimal(cumulative),
    )


def test_a_shipment() -> None:
    first = PackedPart(
        part_no="5K0807217  GRU",
        quantity=Decimal(1),
        unit="PCE",
        call_no="CALL-2026-0815",
        order_no="5500012345",
        production_no="4711001",
        slot=12,
        serial_no="SN-000123",
    )
    second = PackedPart(part_no="5K0807218", quantity=Decimal(2), unit="PCE")
    racks = (
        Package(label="RACK-0042", kind="JIS-RACK-12", parts=(first, second)),
        Package(label="RACK-0043", kind="JIS-RACK-12"),
    )
    assert read_content(golden_message("desadv"), GENERIC) == ShipNotice(
        document_no="LS-4472",
        function=Function.ORIGINAL,
        issued_at=at(16, 30),
        shipped_at=at(16, 45),
        expected_at=at(17, 45),
        customer="PLANT01",
        supplier="100234567",
        unloading_point="TOR 7",
        warehouse="W3",
        vehicle="WOB-L4711",
        packages=(Package(kind="TRAILER", packages=racks),),
    )


# A partner's local minutes, away from the hours that a clock put forward or back leaves out or
# doubles.
moments = st.datetimes(datetime(2026, 4, 1), datetime(2026, 9, 30), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)
maybe_text = st.one_of(st.just(""), texts)
quantities = st.decimals(0, 10**9, places=3)
dates = st.dates(date(2020, 1, 1), date(2099, 12, 31))


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


calls = st.builds(
    CallMessage,
    document_no=texts,
    function=st.sampled_from([Function.ORIGINAL, Function.CANCEL, Function.REPLACE]),
    called_at=moments,
    control_point=maybe_text,
    customer=maybe_text,
    supplier=maybe_text,
    cars=st.lists(
        st.builds(
            CarCall,
            production_no=texts,
            vin=maybe_text,
            sequence_no=optional(st.integers(1, 9999)),
            function=optional(st.sampled_from([Function.CHANGE, Function.UNCHANGED])),
            line=maybe_text,
            deliver_by=optional(moments),
            unloading_point=maybe_text,
            pre_series=st.booleans(),
            rack=maybe_text,
            slot=optional(st.integers(1, 99)),
            parts=st.lists(
                st.builds(
                    CallPart,
                    part_no=texts,
                    quantity=quantities,
                    unit=st.sampled_from(["", "PCE"]),
                    function=optional(st.sampled_from([Function.CANCEL, Function.CHANGE])),
                    part_group=maybe_text,
                    fitting_point=maybe_text,
                    reorder_of=maybe_text,
                ),
                max_size=3,
            ).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@pytest.mark.parametrize("profile", [GENERIC, HOUSE], ids=lambda profile: profile.name)
@settings(max_examples=40)
@given(content=calls)
def test_any_call_is_read_as_it_was_written(profile: EdiProfile, content: CallMessage) -> None:
    message = write_calls(content, profile).as_message("1", profile.association)
    sent = write_interchange(interchange_of(message))
    assert read_calls(read_interchange(sent).messages[0], profile) == content


forecast_quantities = st.builds(
    lambda firmness, quantity, start, length, cumulative: ForecastQuantity(
        firmness=firmness,
        quantity=quantity,
        start=start,
        end=start + timedelta(days=length),
        cumulative=cumulative,
    ),
    st.sampled_from(Firmness),
    quantities,
    dates,
    st.integers(0, 40),
    optional(quantities),
)


@settings(max_examples=40)
@given(
    st.builds(
        Forecast,
        document_no=texts,
        previous_no=maybe_text,
        function=st.sampled_from([Function.ORIGINAL, Function.REPLACE]),
        issued_at=moments,
        horizon_start=optional(dates),
        horizon_end=optional(dates),
        customer=maybe_text,
        supplier=maybe_text,
        lines=st.lists(
            st.builds(
                ForecastLine,
                part_no=texts,
                supplier_part_no=maybe_text,
                unit=st.just("PCE"),
                unloading_point=maybe_text,
                order_no=maybe_text,
                cumulative_since=dates,
                cumulative_received=quantities,
                last_received=quantities,
                last_despatch_no=maybe_text,
                quantities=st.lists(forecast_quantities, max_size=3).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    )
)
def test_any_forecast_is_read_as_it_was_written(content: Forecast) -> None:
    sent = write_interchange(interchange_of(write_forecast(content, HOUSE).as_message("1")))
    assert read_content(read_interchange(sent).messages[0], HOUSE) == content


packed = st.builds(
    PackedPart,
    part_no=texts,
    quantity=quantities,
    unit=maybe_text.map(lambda unit: unit[:3]),
    call_no=maybe_text,
    order_no=maybe_text,
    production_no=maybe_text,
    slot=optional(st.integers(1, 99)),
    serial_no=maybe_text,
)
packages = st.recursive(
    st.builds(
        Package, label=maybe_text, kind=maybe_text, parts=st.lists(packed, max_size=2).map(tuple)
    ),
    lambda inner: st.builds(
        Package, label=maybe_text, packages=st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=5,
)


@settings(max_examples=40)
@given(
    st.builds(
        ShipNotice,
        document_no=texts,
        function=st.sampled_from([Function.ORIGINAL, Function.CANCEL]),
        issued_at=moments,
        shipped_at=optional(moments),
        expected_at=optional(moments),
        customer=maybe_text,
        supplier=maybe_text,
        unloading_point=maybe_text,
        warehouse=maybe_text,
        vehicle=maybe_text,
        packages=st.lists(packages, max_size=3).map(tuple),
    )
)
def test_any_shipment_is_read_as_it_was_written(content: ShipNotice) -> None:
    sent = write_interchange(interchange_of(write_shipment(content, HOUSE).as_message("1")))
    assert read_content(read_interchange(sent).messages[0], HOUSE) == content


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("deljit", "4711001:AN+", "", r"segment 8 SEQ: production_no \(car GIR AN\) is missing"),
        ("deljit", "5K0807217  GRU:IN", "5K0807217:SA",
         r"segment 16 LIN: part_no \(part LIN IN\) is missing"),
        ("deljit", "0815+9", "0815+99",
         r"segment 3 BGM: function \(1225\) '99' is not one of this partner; known: 9, 4, 1"),
        ("deljit", "137:202611281405", "137:202613281405",
         "segment 4 DTM: 202613281405 is no date and time"),
        ("deljit", "DTM+137", "DTM+138", r"segment 3 BGM: called_at \(message DTM 137\) is mis"),
        ("deljit", "SEQ+3+9999", "SEQ+3+A999",
         "segment 8 SEQ: sequence_no: 'A999' is no whole number"),
        ("deljit", "LOC+159+LINE 1", "LOC+11+TOR 8",
         "segment 12 LOC: car LOC 11 stands twice, and says different things"),
        ("delfor", "SCC+4++W", "SCC+9++W", r"segment 26 SCC: status \(4017\) '9' is not one of 1"),
        ("delfor", "202649:616", "202654:616", "segment 28 DTM: 202654 is no week"),
        ("delfor", "DTM+2:20261124:102'", "", r"segment 21 QTY: its period \(DTM 2\) is missing"),
        ("desadv", "CPS+3+1", "CPS+3+7",
         r"segment 27 CPS: lies in '7' \(7166\), which does not stand before it"),
        ("desadv", "CPS+3+1", "CPS+2+1", r"segment 27 CPS: number '2' \(7164\) stands twice"),
    ],
)  # fmt: skip
def test_what_the_partner_did_not_say_names_the_segment(
    name: str, old: str, new: str, reason: str
) -> None:
    message = read_interchange(changed(name, old, new)).messages[0]
    with pytest.raises(EdifactError, match=reason):
        read_content(message, GENERIC)


def test_a_document_may_say_the_function_by_its_name() -> None:
    message = read_interchange(changed("deljit", "BGM+242+CALL", "BGM+ZC1+CALL")).messages[0]
    house = HOUSE.model_copy(
        update={"deljit": GENERIC.deljit.model_copy(update={"documents": {"ZC1": "cancel"}})}
    )
    assert read_calls(message, house).function == "cancel"


def test_what_the_partner_has_no_place_for_is_not_written() -> None:
    content = read_calls(golden_message("deljit"), GENERIC)
    blind = GENERIC.model_copy(update={"deljit": GENERIC.deljit.model_copy(update={"vin": None})})
    with pytest.raises(EdifactError, match="generic has no place for vin, which is 'WVW"):
        write_calls(content, blind)
    with pytest.raises(EdifactError, match="generic has no code for a message to unchanged"):
        write_calls(content.model_copy(update={"function": Function.UNCHANGED}), GENERIC)


def test_a_local_hour_that_comes_twice_is_the_first() -> None:
    message = read_interchange(
        changed("deljit", "DTM+2:202611281905", "DTM+2:202610250230")
    ).messages[0]
    berlin = GENERIC.model_copy(update={"time_zone": "Europe/Berlin"})
    assert read_calls(message, berlin).cars[0].deliver_by == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )
