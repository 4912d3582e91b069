"""Who certifies a gateway, as its file has it: what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import ConfigError, load

HEAD = "version: 1\ngateway: {group: g, node: n}\ndata_dir: d\n"
EST = HEAD + "identity:\n  est:\n"


def errors(folder: Path, text: str) -> list[str]:
    file = folder / "edge.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_the_hub_certifies_unless_another_is_named(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(HEAD)
    assert load(file).identity.est is None
    file.write_text(EST + "    url: https://ca.example.org:8443/\n    ca_file: root.pem\n")
    est = load(file).identity.est
    assert est is not None
    assert (est.url, est.label) == ("https://ca.example.org:8443", None)
    assert est.ca_file == tmp_path / "root.pem"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://ca.example.org", "'http://ca.example.org' is no address of an EST server"),
        ("ca.example.org", "'ca.example.org' is no address of an EST server"),
        ("https://ca.example.org/.well-known/est/plant", "what stands behind that is the `label`"),
        ("https://gw:hush@ca.example.org", "user and password do not belong into an address"),
        ("https://ca.example.org:99999", "Port out of range"),
    ],
)
def test_an_address_is_host_and_port(tmp_path: Path, url: str, why: str) -> None:
    (found,) = errors(tmp_path, EST + f"    url: {url}\n    ca_file: root.pem\n")
    assert found.startswith("edge.yaml:6: identity.est.url: ")
    assert why in found
    assert "hush" not in found


def test_what_is_wrong_is_named_at_its_line(tmp_path: Path) -> None:
    text = EST + "    url: https://ca.example.org\n    labl: plant\n    label: a/b\n"
    assert errors(tmp_path, text) == [
        "edge.yaml:5: identity.est.ca_file: is missing",
        "edge.yaml:7: identity.est.labl: unknown key; did you mean label?",
        "edge.yaml:8: identity.est.label: 'a/b' does not have the form of: Label of the authority "
        "at that server, if it has several",
    ]
    assert errors(tmp_path, HEAD + "identity:\n  es: {}\n") == [
        "edge.yaml:5: identity.es: unknown key; did you mean est?"
    ]


def test_a_gateway_of_another_authority_takes_no_proposals(tmp_path: Path) -> None:
    est = EST + "    url: https://ca.example.org\n    ca_file: root.pem\n"
    assert errors(tmp_path, est + "hub:\n  proposals: {}\n") == [
        "edge.yaml:9: hub.proposals: the hub takes questions only of gateways that it has "
        "certified itself; remove this, or identity.est"
    ]
