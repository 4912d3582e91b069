"""No address that a tenant gives reaches into the hub's own network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from hub.webhooks.targets import TargetError, Targets

OUTSIDE = Targets([], loopback=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet(address: str) -> None:
    with pytest.raises(TargetError):
        OUTSIDE.check_address(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_is(address: str) -> None:
    OUTSIDE.check_address(ip_address(address))


def test_networks_that_are_allowed() -> None:
    targets = Targets([ip_network("10.1.0.0/16"), ip_network("fc00:1::/32")], loopback=False)
    targets.check_address(ip_address("10.1.2.3"))
    targets.check_address(ip_address("::ffff:10.1.2.3"))
    targets.check_address(ip_address("fc00:1::5"))
    with pytest.raises(TargetError, match="LINESIDE_HUB_WEBHOOKS__ALLOW"):
        targets.check_address(ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://mes.example.org/", "https://", "https:///x", "https://user:word@mes.example.org/",
        "https://mes.example.org/#part", "ftp://mes.example.org/", "mes.example.org/x",
        "https://[::1]/", "https://10.0.0.1/", "https://mes.example.org:0/",
        "https://mes.example.org:99999/", "https://mes.example.org/a b", "https://bücher.example/",
        "https://mes.example.org/\r\nx", "https://" + "x" * 2000, "http://127.0.0.1/", "https://[x/",
    ],
)  # fmt: skip
def test_urls_that_can_never_be_called(url: str) -> None:
    with pytest.raises(TargetError):
        OUTSIDE.check_url(url)


def test_urls_that_can() -> None:
    OUTSIDE.check_url("https://mes.example.org:8443/in?plant=P1")
    here = Targets([], loopback=True)
    here.check_url("http://localhost:9000/in")
    here.check_url("http://[::1]:9000/in")
    with pytest.raises(TargetError, match="or http on this machine"):
        here.check_url("http://mes.example.org/")
