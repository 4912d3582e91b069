"""Names of the companion model Machine Vision (OPC 40100-1, version 1) that results travel by.

A vision system raises an event of `ResultReadyEventType` for each result; the ids in it
(`ResultId`, `PartId`, `JobId`, recipes, …) are structures with a field `Id`. What `ResultContent`
holds is the maker's: any values or structures.
"""

from __future__ import annotations

import struct

NAMESPACE = "http://opcfoundation.org/UA/MachineVision"
RESULT_READY = 1024
"""Number of the node ResultReadyEventType in `NAMESPACE`."""
RESULT_FIELDS = (
    "ResultId",
    "CreationTime",
    "ResultState",
    "IsPartial",
    "IsSimulated",
    "PartId",
    "MeasId",
    "JobId",
    "ProductId",
    "ExternalRecipeId",
    "InternalRecipeId",
    "ExternalConfigurationId",
    "InternalConfigurationId",
    "ProcessingTimes",
    "ResultContent",
)
"""Properties of the event, beside those of every event."""
RESULT_MANAGEMENT = "ResultManagement"
"""Name of the object that has the methods."""
LIST_RESULTS = "GetResultListFiltered"
"""Method that lists the results that the system holds, which have the fields above."""
RELEASE = "ReleaseResultHandle"
_FILTERS = (
    (5006, True),  # MeasId
    (5013, True),  # PartId
    (5002, True),  # ExternalRecipeId
    (5268, True),  # InternalRecipeId
    (5090, True),  # ExternalConfigurationId
    (5090, True),  # InternalConfigurationId
    (5224, True),  # ProductId
    (5008, False),  # JobId
)
"""Arguments of `LIST_RESULTS` after the state: number of the encoding, whether fields after `Id`
are optional, which is said before it."""
RESULT_STATES = {0: "Undefined", 1: "Completed", 2: "Processing", 3: "Aborted", 4: "Failed"}
COMPLETED = 1


def no_filters() -> list[tuple[int, bytes]]:
    """The ids to filter by of a call that wants all: number of the encoding in `NAMESPACE`, and the
    structure with an empty id."""
    empty = struct.pack("<i", 0)
    return [(number, struct.pack("<I", 0) + empty if more else empty) for number, more in _FILTERS]
