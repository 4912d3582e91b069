"""Where messages may go: no address that a tenant gives may reach into the hub's own network.

Names are resolved when a connection is made, each address is checked, and the connection goes to an
address that was checked: a name that resolves otherwise a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

MAX_URL = 2000
_EMBEDDING = IPv6Network("64:ff9b::/96")
"""NAT64: the last 32 bits are an IPv4 address."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class TargetError(ValueError):
    """An address that may not be called; the text says why."""


class Targets:
    """What may be called."""

    def __init__(self, allow: Sequence[Network], loopback: bool) -> None:
        """`allow`: networks besides the public internet. `loopback`: this machine too, by http if
        wanted; for a hub that serves this machine alone."""
        self._allow = tuple(allow)
        self._loopback = loopback

    def check_url(self, url: str) -> None:
        """Raises `TargetError` for a URL that can never be called."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise TargetError(f"{url[:100]!r} is no URL: {error}") from None
        host = parts.hostname
        if not host or len(url) > MAX_URL or not url.isascii() or port == 0:
            raise TargetError(f"{url[:100]!r} is no URL such as https://mes.example.org/lineside")
        if any(character <= " " or character == "\x7f" for character in url):
            raise TargetError("a URL holds no blanks and no control characters")
        if parts.username is not None or parts.fragment:
            raise TargetError("a URL here has no user and no fragment")
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self._loopback and _is_loopback_name(host)
        ):
            raise TargetError(
                f"{parts.scheme}://{host} cannot be called: endpoints are https"
                + (", or http on this machine" if self._loopback else "")
            )
        try:
            literal = ip_address(host)
        except ValueError:
            return
        self.check_address(literal)

    def check_address(self, address: Address) -> None:
        """Raises `TargetError` for an address that may not be called."""
        inner = _inner(address)
        if any(each.version == inner.version and inner in each for each in self._allow):
            return
        if inner.is_loopback:
            if self._loopback:
                return
            raise TargetError(f"{address} is this machine itself")
        if not inner.is_global or inner.is_multicast:
            raise TargetError(
                f"{address} is not of the public internet; LINESIDE_HUB_WEBHOOKS__ALLOW names "
                "networks that may be called all the same"
            )


class CheckedBackend(httpcore.AnyIOBackend):
    """Connects to checked addresses alone."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its base has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As its base; raises `TargetError` for a name that leads where nothing may go."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._targets.check_address(ip_address(address.partition("%")[0]))
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await super().connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _EMBEDDING:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
