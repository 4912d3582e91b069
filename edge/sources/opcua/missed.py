"""What a vision system still holds of results that were not heard as events."""

from __future__ import annotations

import logging

from asyncua import Client, ua

from edge.sources.opcua.structures import referenced
from protocols.opcua.machine_vision import (
    LIST_RESULTS,
    NAMESPACE,
    RELEASE,
    RESULT_MANAGEMENT,
    no_filters,
)

logger = logging.getLogger(__name__)

_MOST = 1000
"""Results asked for. In one call, since a list that is read in parts may move on meanwhile."""
_MOST_SYSTEMS = 100
_HIERARCHICAL = ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences))
_OBJECTS = ua.NodeId(ua.Int32(ua.ObjectIds.ObjectsFolder))


async def held_results(
    client: Client, node: ua.NodeId, namespaces: list[str], device: str
) -> tuple[list[ua.ExtensionObject], bool]:
    """The results that the system at a node holds, or the one system of the server; and whether
    these are all. A server that has no such method, or refuses it, holds none."""
    index = namespaces.index(NAMESPACE)
    try:
        (below,) = await referenced(client, [_OBJECTS], _HIERARCHICAL, most=_MOST_SYSTEMS)
        for system in (node, *below[:_MOST_SYSTEMS]):
            methods = await _methods(client, system, index)
            if methods is not None:
                return await _listed(client, *methods, index)
    except (ua.UaError, ValueError, TypeError, AttributeError) as error:
        logger.info("source %s: results of before cannot be fetched: %s", device, error)
    return [], False


async def _methods(
    client: Client, system: ua.NodeId, index: int
) -> tuple[ua.NodeId, ua.NodeId, ua.NodeId | None] | None:
    """The object of a system that manages results, and its methods to list and to release."""
    names = ([RESULT_MANAGEMENT], [RESULT_MANAGEMENT, LIST_RESULTS], [RESULT_MANAGEMENT, RELEASE])
    results = await client.uaclient.translate_browsepaths_to_nodeids(
        [_path(system, path, index) for path in names]
    )
    found = [
        ua.NodeId(r.Targets[0].TargetId.Identifier, r.Targets[0].TargetId.NamespaceIndex)
        if r.StatusCode.is_good() and r.Targets
        else None
        for r in results
    ]
    management, listing, release = found
    return None if management is None or listing is None else (management, listing, release)


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
    if release is not None and handle.Value:
        await _call(client, management, release, handle)
    if error.Value:
        raise ValueError(f"{LIST_RESULTS} answers with error {error.Value}")
    return list(results.Value or ())[:_MOST], whole.Value is True


async def _call(
    client: Client, of: ua.NodeId, method: ua.NodeId, *arguments: ua.Variant
) -> list[ua.Variant]:
    request = ua.CallMethodRequest(ObjectId=of, MethodId=method, InputArguments=[*arguments])
    (result,) = await client.uaclient.call([request])
    result.StatusCode.check()
    return list(result.OutputArguments or ())
