"""Reading configurations: what is wrong is named with its line and what to do."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from edge.config import ConfigError, load
from tests.edge.plant import opcua_source

GOOD = """\
version: 1
gateway: {group: seatworks, node: gw-seat}
data_dir: data
broker:
  host: broker.example.com
  username: gw-seat
  password_file: secrets/mqtt
sources:
  - device: seat-plc
    kind: opcua
    endpoint: opc.tcp://10.0.0.5:4840
    username: reader
    password: ${PLC_PASSWORD}
    tags:
      - {name: Torque, node: "ns=2;s=Torque", unit: Nm, class: high, deadband: 0.5}
jis:
  - {plant: P1, line: SEAT1, device: seat-plc, part_groups: [SEAT-FRONT, SEAT-REAR]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edge.yaml"


def errors(file: Path, text: str, **environment: str) -> list[str]:
    """The lines of the error, without the directory."""
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, environment)
    return str(caught.value).replace(f"{file.parent}/", "").splitlines()


def test_a_right_file(file: Path) -> None:
    file.write_text(GOOD)
    config = load(file, {"PLC_PASSWORD": "hush"})
    assert config.data_dir == file.parent / "data"
    assert config.broker.password_file == file.parent / "secrets/mqtt"
    assert opcua_source(config).secret() == "hush"
    assert config.sources[0].tags[0].tag_class == "high"
    assert config.jis[0].part_groups == ["SEAT-FRONT", "SEAT-REAR"]
    assert config.journal.commit_ms == 50
    assert "hush" not in repr(config)


def test_every_error_at_once_with_its_line_and_what_to_do(file: Path) -> None:
    found = errors(
        file,
        """\
        version: 1
        gatway:
          group: a/b
        data_dir: d
        broker: {host: h, tls: "no", pasword: 3}
        journal:
          commit_ms: fast
          quota_mb: 0
        sources:
          - device: press
            endpoint: http://x
            tags:
              - {name: A, node: "ns=2;s=A", deadbnad: 1}
              - name: A
                node: foo
                class: hi
              - {name: Stream/Offset, node: "ns=2;s=A", heartbeat_s: 2}
          - device: press
        jis:
          - {plant: P, line: L, device: pres, part_groups: []}
          - {plant: P, line: L, device: drill, part_groups: [X, X]}
        """,
    )
    assert found == [
        "edge.yaml:1: gateway: is missing",
        "edge.yaml:2: gatway: unknown key; did you mean gateway?",
        "edge.yaml:5: broker.pasword: unknown key; did you mean password?",
        "edge.yaml:7: journal.commit_ms: should be a valid integer, unable to parse string "
        "as an integer, not 'fast'",
        "edge.yaml:8: journal.quota_mb: should be greater than or equal to 1, not 0",
        "edge.yaml:11: sources[0].endpoint: 'http://x' does not have the form of: Address of the "
        "server, opc.tcp://host:port, without user name and password",
        "edge.yaml:13: sources[0].tags[0].deadbnad: unknown key; did you mean deadband?",
        "edge.yaml:14: sources[0].tags[1].name: tag 'A' is already the name of tag [0] of this "
        "device; names are unique in a device",
        "edge.yaml:15: sources[0].tags[1].node: 'foo' does not have the form of: Node id: "
        "ns=2;s=Name, ns=2;i=1001, or nsu=urn:of:namespace;s=Name",
        "edge.yaml:16: sources[0].tags[1].class: 'hi' is not one of 'low', 'normal' or 'high'; "
        "did you mean high?",
        "edge.yaml:17: sources[0].tags[2]: heartbeat_s has a meaning only with a deadband; "
        "add deadband: 0",
        "edge.yaml:17: sources[0].tags[2].name: names that begin with Stream/, Node Control/, "
        "Gateway/, bdSeq are the gateway's own",
        "edge.yaml:17: sources[0].tags[2].node: node 'ns=2;s=A' is already read by tag [0] of "
        "this device; read it once",
        "edge.yaml:18: sources[1].device: device 'press' is already the device of source [0]; "
        "give each source its own",
        "edge.yaml:18: sources[1].endpoint: is missing",
        "edge.yaml:20: jis[0].device: no source has the device 'pres'; did you mean press?",
        "edge.yaml:20: jis[0].part_groups: needs at least 1 entry",
        "edge.yaml:21: jis[1].device: no source has the device 'drill'; "
        "add a source with this device",
        "edge.yaml:21: jis[1].line: line 'P/L' is already jis entry [0]; name it once",
        "edge.yaml:21: jis[1].part_groups[1]: part group 'X' is already entry [0]; name it once",
    ]


def test_the_line_of_a_part_is_one_of_the_gateway(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(
        SOUND
        + """\
sources:
  - {device: plc, endpoint: "opc.tcp://plc:4840"}
  - {kind: open_protocol, device: n1, host: n1, part_of: {line: P1/SEAT1}}
  - {kind: open_protocol, device: n2, host: n2, part_of: {line: P1/SAET1, say: vin}}
  - {kind: open_protocol, device: n3, host: n3, part_of: {line: cockpit}}
  - {kind: open_protocol, device: n4, host: n4, identifier: 2, part_of: {line: P1/SEAT1}}
  - {kind: open_protocol, device: n5, host: n5, identifier: 2, multi_spindle: true}
jis:
  - {plant: P1, line: SEAT1, device: plc, part_groups: [SEAT]}
"""
    )
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [(p.where, p.what) for p in caught.value.problems] == [
        ("sources[2].part_of.line", "no line is 'P1/SAET1'; did you mean P1/SEAT1?"),
        ("sources[3].part_of.line", "no line is 'cockpit'; add an entry of jis for this line"),
        (
            "sources[4]",
            "part_of names the part as VIN: leave identifier out, or set it to 1",
        ),
        (
            "sources[5]",
            "results of several spindles name the VIN alone: leave identifier out, or set it to 1",
        ),
    ]


def test_a_folder_is_watched_once(tmp_path: Path) -> None:
    source = "  - {kind: qdas, device: %s, watch_dir: %s, time_zone: %s}\n"
    folders = [("a", "in", "UTC"), ("b", "./in/", "UTC"), ("c", "out", "Europe/Berln")]
    file = tmp_path / "edge.yaml"
    file.write_text(SOUND + "sources:\n" + "".join(source % each for each in folders))
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert [(p.line, p.where) for p in caught.value.problems] == [
        (6, "sources[1].watch_dir"),
        (7, "sources[2].time_zone"),
    ]


SOUND = "version: 1\ngateway: {group: g, node: n}\ndata_dir: d\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SOUND.replace("{group: g, node: n}", "[g]"),
            ["edge.yaml:2: gateway: is a section; known here: group, node"],
        ),
        (
            SOUND.replace("group: g", "group: STATE"),
            [
                "edge.yaml:2: gateway.group: STATE is taken by the topics of hosts; "
                "choose another name"
            ],
        ),
        (
            SOUND
            + "sources: [{kind: camera, device: eye, url: 'http://eye/?pw="
            + "x" * 500
            + "'}]\n",
            [
                "edge.yaml:4: sources[0].url: String should have at most 500 characters, "
                "not 'http://eye/?(hidden)'"
            ],
        ),
        (
            SOUND.replace("node: n", f"node: {'ü' * 40}"),
            [
                "edge.yaml:2: gateway.node: not a topic level (no '/', '+', '#', at most 64 "
                f"bytes): '{'ü' * 40}'"
            ],
        ),
        (
            SOUND.replace("data_dir: d", "data_dir: 5"),
            ["edge.yaml:3: data_dir: should be a path, not 5"],
        ),
        (
            SOUND + "jis:\n  - {plant: {a: 1}, line: [L], device: {}, part_groups: X}\n",
            [
                "edge.yaml:5: jis[0].device: should be a valid string",
                "edge.yaml:5: jis[0].line: should be a valid string",
                "edge.yaml:5: jis[0].part_groups: should be a valid list, not 'X'",
                "edge.yaml:5: jis[0].plant: should be a valid string",
            ],
        ),
    ],
)
def test_values_of_another_type_are_named(file: Path, text: str, expected: list[str]) -> None:
    assert errors(file, text) == expected


def test_a_password_in_an_address_is_refused_and_not_shown(file: Path) -> None:
    source = "sources:\n  - {device: d, endpoint: 'opc.tcp://gateway:hush@plc:4840'}\n"
    (found,) = errors(file, SOUND + source)
    assert "without user name and password" in found
    assert "hush" not in found


SECURED = """\
sources:
  - device: d
    endpoint: opc.tcp://plc:4840
    {more}
    security:
      certificate_file: pki/own.pem
      key_file: pki/own.key
      {trust}
"""


def test_security_of_a_source(file: Path) -> None:
    digits = "0a" * 32
    for more, trust in (
        ("more_endpoints: ['opc.tcp://plc2:4840']", "trust_dir: pki"),
        ("", f"server_fingerprints: ['{digits}']"),
        ("user_certificate_file: u.pem\n    user_key_file: u.key", "trust_any_server: true"),
    ):
        file.write_text(SOUND + SECURED.format(more=more, trust=trust))
        source = opcua_source(load(file))
        assert source.security is not None
        assert source.security.certificate_file == file.parent / "pki" / "own.pem"
        assert source.security.trust_dir in (None, file.parent / "pki")
        assert source.security.server_fingerprints in ([], [":".join(["0A"] * 32)])


@pytest.mark.parametrize(
    ("more", "trust", "expected"),
    [
        (
            "",
            "",
            "edge.yaml:8: sources[0].security: says of no server that it is believed; give "
            "trust_dir, server_certificate_file or server_fingerprints",
        ),
        (
            "",
            "{trust_dir: pki, trust_any_server: true}",
            "edge.yaml:8: sources[0].security: trust_any_server believes every server; remove it, "
            "or what says which to believe",
        ),
        (
            "",
            "{server_fingerprints: [AB:CD]}",
            "edge.yaml:11: sources[0].security.server_fingerprints[0]: 'AB:CD' does not have the "
            "form of: SHA-256 of the certificates that are believed, in place of a list",
        ),
        (
            "",
            "{trust_dir: pki, tolerate: [hosts]}",
            "edge.yaml:12: sources[0].security.tolerate[0]: 'hosts' is not one of 'host', 'uri' or "
            "'validity'; did you mean host?",
        ),
        (
            "user_key_file: u.key",
            "{trust_dir: pki}",
            "edge.yaml:5: sources[0]: user_certificate_file and user_key_file need one another",
        ),
        (
            "more_endpoints: ['opc.tcp://me:hush@plc2']",
            "{trust_dir: pki}",
            "edge.yaml:7: sources[0].more_endpoints[0]: 'opc.tcp://(hidden)@plc2' does not have "
            "the form of: Addresses of servers that hold the same tags, tried in this order",
        ),
    ],
)
def test_what_is_wrong_with_the_security_of_a_source(
    file: Path, more: str, trust: str, expected: str
) -> None:
    trust = "\n      ".join(trust.strip("{}").split(", "))
    assert errors(file, SOUND + SECURED.format(more=more, trust=trust)) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "edge.yaml: holds no settings; `init` writes a file to begin with"),
        ("- a\n- b\n", "edge.yaml: holds no settings; `init` writes a file to begin with"),
        ("version: 1\ngateway: [\n", "edge.yaml:3: expected the node content"),
        ("version: 1\nversion: 1\n", "edge.yaml:2: found duplicate key"),
        ("version: 1\n\tgateway: 1\n", "edge.yaml:2: found character '\\t'"),
    ],
)
def test_what_is_no_settings_file(file: Path, text: str, expected: str) -> None:
    assert errors(file, text)[0].startswith(expected)


def test_a_file_that_is_not_there_or_not_text(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file.*`init` writes one"):
        load(file)
    file.write_bytes(b"version: \xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(file)


def test_environment(file: Path) -> None:
    text = GOOD.replace("seatworks", "'${GROUP}'")
    assert errors(file, text, GROUP="x") == [
        "edge.yaml:13: sources[0].password: environment variable PLC_PASSWORD is not set"
    ]
    file.write_text(text)
    assert load(file, {"GROUP": "x", "PLC_PASSWORD": "y"}).gateway.group == "x"


def test_a_version_we_do_not_know(file: Path) -> None:
    (error,) = errors(file, GOOD.replace("version: 1", "version: 2"), PLC_PASSWORD="x")
    assert error.startswith("edge.yaml:1: version: 2 is not one of 1")


def test_plain_mqtt_is_for_loopback_only(file: Path) -> None:
    (error,) = errors(file, GOOD.replace("  username: gw-seat", "  tls: false"), PLC_PASSWORD="x")
    assert error.startswith("edge.yaml:4: broker: tls: false is allowed only on loopback")


def test_errors_never_show_a_secret(file: Path) -> None:
    text = GOOD.replace("password: ${PLC_PASSWORD}", "password: [geheim]")
    (error,) = errors(file, text)
    assert "geheim" not in error
    (error,) = errors(file, GOOD.replace("${PLC_PASSWORD}", "77442299"))
    assert error.endswith("sources[0].password: should be a valid string")
