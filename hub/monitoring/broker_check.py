"""Does a broker let the hub in and take its subscriptions? How long do the certificates last?

Mosquitto takes every subscription and then holds back what its access list does not allow; EMQX
refuses it. So a subscription that is taken proves the connection and the user, not the rights.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as mqtt
from cryptography import x509
from paho.mqtt.reasoncodes import ReasonCode

from hub.monitoring.findings import Finding
from protocols.jis.topics import ROOT
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug.topics import host_subscriptions

_EXPIRES_SOON = timedelta(days=30)
_ANSWERS_S = 10.0
_REFUSED = 0x80
"""Reason codes of SUBACK from here on are refusals (MQTT 3.1.1, 3.9.3)."""


def look_at_broker(what: str, settings: BrokerSettings, host_id: str) -> Iterator[Finding]:
    try:
        tried = _Attempt(settings, f"{host_id}-doctor-{uuid4().hex[:8]}")
        tried.run([*host_subscriptions(host_id), f"{ROOT}/+/+/calls/ack", f"{ROOT}/+/+/events"])
    except OSError as error:
        todo = "see LINESIDE_HUB_BROKER__…: address, CA file, certificate, password file"
        yield Finding(what, "failed", f"{settings.place}: {error}", todo)
        return
    if tried.denied:
        text = f"{settings.place}: we may not hear {', '.join(tried.denied)}"
        yield Finding(what, "failed", text, "give the hub's user these topics in the access list")
    else:
        yield Finding(what, "ok", f"{settings.place}: lets us in and takes our subscriptions")
    for label, path in (("CA", settings.ca_file), ("client", settings.cert_file)):
        if settings.tls and path is not None:
            yield _certificate(f"{what}: {label} certificate", path)


class _Attempt:
    """One connection to a broker under a name of its own, so that the hub's goes on undisturbed."""

    def __init__(self, settings: BrokerSettings, client_id: str) -> None:
        self._settings = settings
        self._client = make_client(settings, client_id, clean_session=True)
        self._answered = threading.Event()
        self._refused = ""
        self._topics: list[str] = []
        self.denied: list[str] = []
        """Topics that the broker does not let us hear."""
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed

    def run(self, topics: list[str]) -> None:
        """Connect and subscribe. Raises `OSError`, which tells why not."""
        self._topics = topics
        self._client.connect(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()
        try:
            if not self._answered.wait(_ANSWERS_S):
                raise TimeoutError(f"no answer within {_ANSWERS_S:g} s")
            if self._refused:
                raise ConnectionRefusedError(self._refused)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._refused = f"refuses us: {reason}"
            self._answered.set()
        else:
            client.subscribe([(topic, 0) for topic in self._topics])

    def _subscribed(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: object,
    ) -> None:
        for topic, reason in zip(self._topics, reasons, strict=False):
            if reason.value >= _REFUSED:
                self.denied.append(topic)
        self._answered.set()


def _certificate(what: str, path: Path) -> Finding:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding(what, "failed", f"{path}: {error}", "give a certificate as PEM")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    text = f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta():
        return Finding(what, "failed", f"{text}: expired", "renew it")
    if left < _EXPIRES_SOON:
        return Finding(what, "warning", f"{text}: {left.days} days left", "renew it in time")
    return Finding(what, "ok", text)
