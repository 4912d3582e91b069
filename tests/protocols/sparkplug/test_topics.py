"""The topic grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sparkplug.topics import (
    DEVICE_MESSAGES,
    NODE_MESSAGES,
    DeviceMessage,
    DeviceTopic,
    NodeMessage,
    NodeTopic,
    StateTopic,
    command_subscriptions,
    device_topic,
    host_subscriptions,
    node_topic,
    parse_topic,
    state_topic,
)

IDS = st.text(st.characters(codec="utf-8", exclude_characters="/+#\0"), min_size=1, max_size=10)


@given(IDS.filter(lambda group: group != "STATE"), st.sampled_from(NODE_MESSAGES), IDS)
def test_node_topics_come_back(group: str, message: NodeMessage, node: str) -> None:
    assert parse_topic(node_topic(group, message, node)) == NodeTopic(group, message, node)


@given(IDS.filter(lambda group: group != "STATE"), st.sampled_from(DEVICE_MESSAGES), IDS, IDS)
def test_device_topics_come_back(
    group: str, message: DeviceMessage, node: str, device: str
) -> None:
    topic = device_topic(group, message, node, device)
    assert parse_topic(topic) == DeviceTopic(group, message, node, device)


@given(IDS)
def test_state_topics_come_back(host: str) -> None:
    assert parse_topic(state_topic(host)) == StateTopic(host)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "spBv1.0",
        "spBv1.0/g/NDATA",
        "spBv1.0/g/NDATA/",
        "spBv1.0/g/NDATA/n/d",
        "spBv1.0/g/DDATA/n",
        "spBv1.0/g/DDATA/n/d/more",
        "spBv1.0/g/ndata/n",
        "spBv1.0/STATE/",
        "spBv1.0/STATE/h/more",
        "spBv1.0/STATE/NDATA/n",
        "spAv1.0/g/NDATA/n",
        "STATE/h",
        "$SYS/broker/version",
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a\0"])
def test_ids_that_mqtt_would_misread_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a Sparkplug id"):
        node_topic(name, "NDATA", "n")
    with pytest.raises(ValueError, match="not a Sparkplug id"):
        device_topic("g", "DDATA", "n", name)
    with pytest.raises(ValueError, match="not a Sparkplug id"):
        state_topic(name)


def test_a_group_cannot_be_called_state() -> None:
    with pytest.raises(ValueError, match="STATE"):
        node_topic("STATE", "NDATA", "n")


def test_subscriptions() -> None:
    assert command_subscriptions("g", "n") == ["spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/#"]
    assert host_subscriptions("h") == ["spBv1.0/#", "spBv1.0/STATE/h"]
