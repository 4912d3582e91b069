"""What a system gives of the results that it holds, whatever it says beside them."""

from __future__ import annotations

from typing import Any

from asyncua import Client, ua

from edge.sources.opcua.companion import MACHINERY
from edge.sources.opcua.missed import held_results
from firmware_sim.device.events import begin, event_server
from protocols.opcua import machine_vision
from protocols.opcua.machinery_result import BY_ID, LIST_IDS, NAMESPACE
from tests.edge.sources.reading import run

HOST = "127.0.0.1"


def test_results_are_kept_though_the_system_refuses_to_let_go_of_them() -> None:
    refused: list[int] = []

    def list_ids(_parent: ua.NodeId, *_arguments: Any) -> list[ua.Variant]:
        handle, error = (ua.Variant(n, ua.VariantType.UInt32) for n in (1, 0))
        return [handle, ua.Variant(["r1", "r2"], ua.VariantType.String), error]

    def by_id(_parent: ua.NodeId, name: ua.Variant, _hint: ua.Variant) -> list[ua.Variant]:
        handle, error = (ua.Variant(n, ua.VariantType.UInt32) for n in (2, 0))
        return [handle, ua.Variant(name.Value, ua.VariantType.String), error]

    def let_go(_parent: ua.NodeId, handle: ua.Variant) -> ua.StatusCode:
        refused.append(handle.Value)
        return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadInvalidArgument))

    async def work() -> None:
        async with event_server(HOST, 0, "urn:lineside:test", "test") as server:
            index = await server.register_namespace(NAMESPACE)
            system = await server.nodes.objects.add_object(index, "System")
            management = await system.add_object(index, machine_vision.RESULT_MANAGEMENT)
            await management.add_method(index, LIST_IDS, list_ids)
            await management.add_method(index, BY_ID, by_id)
            await management.add_method(index, machine_vision.RELEASE, let_go)
            endpoint = await begin(server, HOST, 0)
            async with Client(endpoint) as client:
                names = await client.get_namespace_array()
                found, whole = await held_results(
                    client, MACHINERY, system.nodeid, names, "press", lambda: None
                )
                assert [str(each) for each in found] == ["r1", "r2"]
                assert whole
                assert refused == [2, 2, 1]

    run(work)
