"""The topic grammar, both ways."""

import pytest

from protocols.jis.topics import CHANNELS, JisTopic, hub_subscriptions, jis_topic, parse_jis_topic


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_topic_survives(channel: str) -> None:
    topic = jis_topic("seatworks", "gw-1", channel)  # type: ignore[arg-type]  # from the grammar
    assert parse_jis_topic(topic) == JisTopic("seatworks", "gw-1", channel)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a\0", "x" * 65])
def test_a_name_that_is_no_level_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="topic level"):
        jis_topic(name, "gw-1", "calls")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "lineside/v2/g/n/calls",
        "lineside/v1/g/n",
        "lineside/v1//n/calls",
        "lineside/v1/g//calls",
        "lineside/v1/g/n/calls/ack/more",
        "spBv1.0/g/NDATA/n",
    ],
)
def test_another_topic_is_none_of_ours(topic: str) -> None:
    assert parse_jis_topic(topic) is None


def test_the_hub_hears_answers_and_events_only() -> None:
    assert hub_subscriptions() == ["lineside/v1/+/+/calls/ack", "lineside/v1/+/+/events"]
