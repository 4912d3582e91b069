"""What a system still holds of results that were not heard as events."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence

from asyncua import Client, ua

from edge.sources.opcua.companion import VISION, Companion
from edge.sources.opcua.structures import referenced
from protocols.opcua.machine_vision import LIST_RESULTS, RESULT_MANAGEMENT, no_filters
from protocols.opcua.machinery_result import LIST_IDS

logger = logging.getLogger(__name__)

_MOST = 1000
"""Results asked for. In one call, since a list that is read in parts may move on meanwhile."""
_MOST_SYSTEMS = 100
_HIERARCHICAL = ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences))
_OBJECTS = ua.NodeId(ua.Int32(ua.ObjectIds.ObjectsFolder))


async def held_results(
    client: Client,
    model: Companion,
    node: ua.NodeId,
    namespaces: list[str],
    device: str,
    beat: Callable[[], None],
) -> tuple[list[ua.ExtensionObject], bool]:
    """The results that the system at a node holds, or the one system of the server; and whether
    these are all. A server that has no such method, or refuses it, holds none. `beat` is called
    with each answer, since many may take a while."""
    index = namespaces.index(model.namespace)
    try:
        (below,) = await referenced(client, [_OBJECTS], _HIERARCHICAL, most=_MOST_SYSTEMS)
        for system in (node, *below[:_MOST_SYSTEMS]):
            found = await _methods(client, system, model.methods, index)
            management, listing, *others = found
            if management is None or listing is None:
                continue
            if model is VISION:
                return await _listed(client, management, listing, others[0], index)
            if others[0] is not None:
                return await _by_id(client, management, listing, others[0], others[1], beat)
    except (ua.UaError, ValueError, TypeError, AttributeError) as error:
        logger.info("source %s: results of before cannot be fetched: %s", device, error)
    return [], False


async def _methods(
    client: Client, system: ua.NodeId, names: Sequence[str], index: int
) -> list[ua.NodeId | None]:
    """The object of a system that manages results, and these methods of it; None: it has none."""
    paths = [[RESULT_MANAGEMENT], *([RESULT_MANAGEMENT, name] for name in names)]
    results = await client.uaclient.translate_browsepaths_to_nodeids(
        [_path(system, path, index) for path in paths]
    )
    return [
        ua.NodeId(r.Targets[0].TargetId.Identifier, r.Targets[0].TargetId.NamespaceIndex)
        if r.StatusCode.is_good() and r.Targets
        else None
        for r in results
    ]


def _path(start: ua.NodeId, names: list[str], index: int) -> ua.BrowsePath:
    steps = [
        ua.RelativePathElement(
            ReferenceTypeId=_HIERARCHICAL,
            IsInverse=False,  # type: ignore[arg-type]  # asyncua names its wire type, takes bool
            IncludeSubtypes=True,  # type: ignore[arg-type]
            TargetName=ua.QualifiedName(name, ua.UInt16(index)),
        )
        for name in names
    ]
    return ua.BrowsePath(StartingNode=start, RelativePath=ua.RelativePath(Elements=steps))


async def _listed(
    client: Client,
    management: ua.NodeId,
    listing: ua.NodeId,
    release: ua.NodeId | None,
    index: int,
) -> tuple[list[ua.ExtensionObject], bool]:
    """All results, of any state, and whether these are all. Raises `ua.UaError`, `ValueError`."""
    number = ua.VariantType
    filters = [
        ua.ExtensionObject(
            TypeId=ua.NodeId(ua.Int32(encoding), ua.Int16(index)), Body=ua.ByteString(body)
        )
        for encoding, body in no_filters()
    ]
    whole, _, handle, results, error = await _call(
        client,
        management,
        listing,
        ua.Variant(0, number.Int32),
        *(ua.Variant(each, number.ExtensionObject) for each in filters),
        ua.Variant(_MOST, number.UInt32),
        ua.Variant(0, number.UInt32),
        ua.Variant(0, number.Int32),
    )
    await _release(client, management, release, handle)
    if error.Value:
        raise ValueError(f"{LIST_RESULTS} answers with error {error.Value}")
    return list(results.Value or ())[:_MOST], whole.Value is True


async def _by_id(
    client: Client,
    management: ua.NodeId,
    listing: ua.NodeId,
    getting: ua.NodeId,
    release: ua.NodeId | None,
    beat: Callable[[], None],
) -> tuple[list[ua.ExtensionObject], bool]:
    """All results, one by one by their ids, and whether these are all. Raises `ua.UaError`,
    `ValueError`."""
    number = ua.VariantType
    no_filter = ua.Variant(ua.ContentFilter(), number.ExtensionObject)
    no_order = ua.Variant([], number.ExtensionObject, is_array=True)
    no_hint = ua.Variant(0, number.Int32)
    handle, ids, error = await _call(
        client, management, listing, no_filter, no_order, ua.Variant(_MOST, number.UInt32), no_hint
    )
    if error.Value:
        raise ValueError(f"{LIST_IDS} answers with error {error.Value}")
    names = [name for name in ids.Value or () if isinstance(name, str)][:_MOST]
    found: list[ua.ExtensionObject] = []
    for name in names:
        beat()
        try:
            one, result, wrong = await _call(
                client, management, getting, ua.Variant(name, number.String), no_hint
            )
        except ua.UaStatusCodeError:
            break  # what came is kept, and is not all
        if not wrong.Value:  # else it was forgotten meanwhile
            found.append(result.Value)
        await _release(client, management, release, one)
    await _release(client, management, release, handle)
    return found, len(names) < _MOST and len(found) == len(names)


async def _release(
    client: Client, management: ua.NodeId, method: ua.NodeId | None, handle: ua.Variant
) -> None:
    """Let the system forget an answer, if it remembers any. What it gave is not lost if it refuses
    that."""
    if method is not None and handle.Value:
        with contextlib.suppress(ua.UaStatusCodeError):
            await _call(client, management, method, handle)


async def _call(
    client: Client, of: ua.NodeId, method: ua.NodeId, *arguments: ua.Variant
) -> list[ua.Variant]:
    request = ua.CallMethodRequest(ObjectId=of, MethodId=method, InputArguments=[*arguments])
    (result,) = await client.uaclient.call([request])
    result.StatusCode.check()
    return list(result.OutputArguments or ())
