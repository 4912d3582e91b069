"""What each party may say and hear on the broker, and the same as access lists of two brokers.

Every right is an entry of its own that names group and node: no pattern is filled in from what a
client says of itself. Needs nothing but the standard library, so that it runs before anything is
installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.jis.topics import hub_subscriptions, jis_topic
from protocols.sparkplug.topics import (
    command_subscriptions,
    device_topic,
    host_subscriptions,
    node_topic,
    state_topic,
)

HUB_USER = "hub"
"""The hub's name at the broker. No gateway can have it: theirs have a slash."""
LONGEST_USER = 64
"""Characters; a certificate's common name holds no more (X.520, ub-common-name)."""
_ANY = "+"
_UNFIT = frozenset('"\\$%')
"""Characters that mean something in one broker's file or the other's."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Topics, or patterns of them, that one user of the broker may publish and receive."""

    speaks: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()


def gateway_user(group: str, node: str) -> str:
    """A gateway's name at the broker, which is the common name of its certificate.

    The slash is in no group and no node, so that two gateways never share a name. Raises
    `ValueError`, with what to do, for names that a certificate or a broker's file cannot carry.
    """
    user = f"{group}/{node}"
    if len(user) > LONGEST_USER:
        raise ValueError(
            f"gateway {user}: group and node have more than {LONGEST_USER - 1} characters "
            "together, and a certificate's name takes no more; register it by shorter names"
        )
    for name in (group, node):
        if not name.isprintable() or name != name.strip() or not _UNFIT.isdisjoint(name):
            raise ValueError(
                f"gateway {user!r}: {name!r} has a blank at its end, a control character, or one "
                f"of {' '.join(sorted(_UNFIT))}; a broker's file cannot carry it, choose another"
            )
    return user


def gateway_rights(group: str, node: str, host_id: str) -> Rights:
    """A gateway speaks for itself and hears what is meant for it. Raises `ValueError` for a name
    that is no level of a topic."""
    return Rights(
        speaks=(
            node_topic(group, "NBIRTH", node),
            node_topic(group, "NDATA", node),
            node_topic(group, "NDEATH", node),
            *(
                f"{device_topic(group, message, node, 'x').removesuffix('x')}{_ANY}"
                for message in ("DBIRTH", "DDATA", "DDEATH")
            ),
            jis_topic(group, node, "calls/ack"),
            jis_topic(group, node, "events"),
        ),
        hears=(
            *command_subscriptions(group, node),
            state_topic(host_id),
            jis_topic(group, node, "calls"),
            jis_topic(group, node, "events/ack"),
        ),
    )


def hub_rights(host_id: str) -> Rights:
    """The hub hears every gateway, and speaks as host and as caller."""
    return Rights(
        speaks=(
            state_topic(host_id),
            "spBv1.0/+/NCMD/+",
            "lineside/v1/+/+/calls",
            "lineside/v1/+/+/events/ack",
        ),
        hears=(*host_subscriptions(host_id), *hub_subscriptions()),
    )


def mosquitto_acl(users: Mapping[str, Rights]) -> str:
    """Mosquitto's `acl_file`: a user may do what is listed, and nothing else."""
    blocks = ["# Generated. A user may do only what is listed here.\n"]
    for user, rights in users.items():
        lines = [
            f"user {user}",
            *(f"topic write {topic}" for topic in rights.speaks),
            *(f"topic read {topic}" for topic in rights.hears),
        ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def emqx_acl(users: Mapping[str, Rights]) -> str:
    """EMQX's `acl.conf`: the same, as Erlang terms; the last one refuses the rest."""
    blocks = ["%% Generated. A user may do only what is listed here.\n"]
    for user, rights in users.items():
        for action, topics in (("publish", rights.speaks), ("subscribe", rights.hears)):
            if topics:
                listed = ",\n    ".join(f'"{topic}"' for topic in topics)
                blocks.append(f'{{allow, {{username, "{user}"}}, {action}, [\n    {listed}\n]}}.\n')
    return "\n".join([*blocks, "{deny, all}.\n"])
