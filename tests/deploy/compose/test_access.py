"""The Compose stack's Mosquitto, really started with its settings: who gets in, who may what."""

from __future__ import annotations

import ssl

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.ports import LOOPBACK
from hub.monitoring.broker_check import look_at_broker
from protocols.mqtt.broker import BrokerSettings, make_client
from tests.deploy.compose.secured import GATEWAYS, Secured
from tests.fixtures.mosquitto import Client, reaching_hub

SEAT, TRIM = GATEWAYS


def allowed_to_publish(secured: Secured, user: str, topics: list[str]) -> set[str]:
    """Which of `topics` reach the hub."""
    return reaching_hub(secured.settings("hub"), secured.settings(user), topics)


@pytest.mark.parametrize("user", ["hub", "health", SEAT.user, TRIM.user])
def test_lets_in_who_knows_the_password(secured: Secured, user: str) -> None:
    with Client(secured.settings(user), "known") as client:
        assert client.reason == "Success"


def test_the_hubs_doctor_is_let_in_and_says_how_long_certificates_last(secured: Secured) -> None:
    connection, ca = look_at_broker("broker", secured.settings("hub"), "lineside-hub")
    assert (connection.verdict, ca.verdict) == ("ok", "ok")
    assert ca.text.startswith("valid until ")
    (refused,) = look_at_broker("broker", secured.settings("hub", password="wrong"), "lineside-hub")
    assert refused.verdict == "failed"
    assert "refuses us" in refused.text
    distrustful = BrokerSettings(host="localhost", port=secured.port)
    (distrusted,) = look_at_broker("broker", distrustful, "lineside-hub")
    assert "certificate verify failed" in distrusted.text


@pytest.mark.parametrize("user", ["hub", SEAT.user, "nobody"])
def test_refuses_a_wrong_password(secured: Secured, user: str) -> None:
    with Client(secured.settings(user, password="wrong"), "unknown") as client:
        assert client.reason in {"Not authorized", "Bad user name or password"}


def test_refuses_a_client_without_password(secured: Secured) -> None:
    settings = BrokerSettings(
        host="localhost", port=secured.port, ca_file=secured.secrets / "ca.crt"
    )
    with Client(settings, "anonymous") as client:
        assert client.reason == "Not authorized"


def test_its_certificate_proves_nothing_to_a_client_that_trusts_others(secured: Secured) -> None:
    settings = BrokerSettings(host="localhost", port=secured.port)
    with pytest.raises(ssl.SSLCertVerificationError):
        make_client(settings, "distrustful", clean_session=True).connect("localhost", secured.port)


def test_plain_text_gets_no_answer(secured: Secured) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "plain")
    answered: list[object] = []
    client.on_connect = lambda *arguments: answered.append(arguments)
    client.connect(LOOPBACK, secured.port)
    assert client.loop(timeout=5) in {mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_CONN_LOST}
    client.loop(timeout=5)
    assert answered == []


def test_a_gateway_speaks_for_itself_alone(secured: Secured) -> None:
    own = [
        "spBv1.0/seatworks/NBIRTH/gw-seat",
        "spBv1.0/seatworks/NDATA/gw-seat",
        "spBv1.0/seatworks/NDEATH/gw-seat",
        "spBv1.0/seatworks/DBIRTH/gw-seat/SEAT1",
        "spBv1.0/seatworks/DDATA/gw-seat/SEAT1",
        "spBv1.0/seatworks/DDEATH/gw-seat/SEAT1",
        "lineside/v1/seatworks/gw-seat/events",
        "lineside/v1/seatworks/gw-seat/calls/ack",
    ]
    forbidden = [
        "spBv1.0/trimworks/NBIRTH/gw-trim",
        "spBv1.0/trimworks/DDATA/gw-trim/TRIM1",
        "spBv1.0/seatworks/NBIRTH/other",
        "spBv1.0/seatworks/NCMD/gw-seat",
        "spBv1.0/trimworks/NCMD/gw-trim",
        "spBv1.0/STATE/other-hub",
        "lineside/v1/trimworks/gw-trim/events",
        "lineside/v1/trimworks/gw-trim/calls/ack",
    ]
    assert allowed_to_publish(secured, SEAT.user, own + forbidden) == set(own)


def test_a_gateway_hears_what_is_meant_for_it_alone(secured: Secured) -> None:
    with Client(secured.settings(SEAT.user), "listener") as gateway:
        for topic in (
            "spBv1.0/seatworks/NCMD/gw-seat",
            "spBv1.0/STATE/lineside-hub",
            "lineside/v1/seatworks/gw-seat/calls",
            "lineside/v1/seatworks/gw-seat/events/ack",
        ):
            assert gateway.subscribe(topic) == 1, topic
        for topic in ("#", "lineside/v1/trimworks/gw-trim/calls", "spBv1.0/trimworks/NCMD/gw-trim"):
            # Mosquitto grants a pattern and then delivers nothing of it that is not allowed.
            gateway.subscribe(topic)
        with Client(secured.settings("hub"), "speaker") as hub:
            hub.publish("lineside/v1/trimworks/gw-trim/calls")
            hub.publish("spBv1.0/trimworks/NCMD/gw-trim")
            hub.publish("lineside/v1/seatworks/gw-seat/calls")
        assert gateway.heard.get(timeout=60) == "lineside/v1/seatworks/gw-seat/calls"


def test_the_health_user_can_do_nothing_else(secured: Secured) -> None:
    topics = ["spBv1.0/seatworks/NBIRTH/gw-seat", "lineside/v1/seatworks/gw-seat/events"]
    assert allowed_to_publish(secured, "health", topics) == set()
