"""What a proposal may change, and the file that comes of it.

What a proposal gives takes the place of what is there, key by key in a section, whole in a list. Of
a source that is there, whatever is neither tags nor timing is kept as the local file has it: where
it is, by which user, whom it trusts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from edge.proposals.settings import ProposalSettings

_TUNING = frozenset(
    {
        *("tags", "read", "poll_s", "publishing_ms", "sampling_ms", "queue_size"),
        *("publish_requests", "lifetime_s", "backfill", "timeout_s", "retry_nodes_s"),
        *("retry_tags_s", "silence_s", "time_zone", "text_encoding", "scan_s", "settle_s"),
        *("max_gap_bytes", "max_gap_registers", "max_registers"),
    }
)
"""Settings of a source that change neither whom it speaks to nor what it may read or write."""
_FILES = ("_file", "_dir")


def refusals(
    settings: ProposalSettings, local: dict[str, Any], sections: dict[str, Any]
) -> list[str]:
    """Why a proposal is not taken, before it is even checked as a configuration."""
    allowed = settings.may_change
    found = [
        f"{name}: this gateway does not let the hub change it (hub.proposals.may_change)"
        for name in sections
        if name not in allowed or name == "addresses"
    ]
    if "sources" in sections and "addresses" not in allowed:
        found += _addresses(local.get("sources"), sections["sources"])
    for where, key, value in _leaves(sections, ""):
        if isinstance(value, str) and value.startswith("${"):
            found.append(f"{where}: values of this machine's environment are not for proposals")
        if key.endswith(_FILES) and "addresses" not in allowed:
            found.append(f"{where}: files of this machine are not for proposals")
    return found


def merged(local: dict[str, Any], sections: dict[str, Any]) -> None:
    """Put the sections into the local tree, which else stays as it is."""
    here = _by_device(local.get("sources"))
    for name, section in sections.items():
        before = local.get(name)
        if name == "sources" and isinstance(section, list):
            local[name] = [_with_local(here, source) for source in section]
        elif isinstance(before, dict) and isinstance(section, dict):
            before.update(section)
        else:
            local[name] = section


def _addresses(local: Any, proposed: Any) -> Iterator[str]:
    here = _by_device(local)
    if not isinstance(proposed, list):
        return  # the model says what is wrong with it
    for at, source in enumerate(proposed):
        if not isinstance(source, dict):
            continue
        device = source.get("device")
        known = here.get(device) if isinstance(device, str) else None
        if known is None:
            yield (
                f"sources[{at}]: there is no source {device!r} here, and the hub may not add one "
                "(hub.proposals.may_change: addresses)"
            )
            continue
        for key, value in source.items():
            if key not in _TUNING and key != "device" and value != known.get(key):
                yield (
                    f"sources[{at}].{key}: of source {device} it is kept as it is here "
                    "(hub.proposals.may_change: addresses)"
                )


def _with_local(here: dict[str, dict[str, Any]], source: Any) -> Any:
    """A source with what the proposal leaves to the local file: its address, secrets and trust."""
    known = here.get(str(source.get("device"))) if isinstance(source, dict) else None
    if known is None:
        return source
    kept = {key: value for key, value in known.items() if key != "tags"}
    return {**kept, **source}


def _by_device(sources: Any) -> dict[str, dict[str, Any]]:
    listed: Iterable[Any] = sources if isinstance(sources, list) else ()
    return {
        str(each["device"]): each for each in listed if isinstance(each, dict) and "device" in each
    }


def _leaves(node: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    """Place, last key and value of all that is no mapping and no list."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaf(value, f"{where}.{key}" if where else str(key), str(key))
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from _leaf(value, f"{where}[{at}]", "")


def _leaf(value: Any, where: str, key: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, (dict, list)):
        yield from _leaves(value, where)
    else:
        yield where, key, value
