"""Names of the companion model Machine Vision (OPC 40100-1, version 1) that results travel by.

A vision system raises an event of `ResultReadyEventType` for each result; the ids in it
(`ResultId`, `PartId`, `JobId`, recipes, …) are structures with a field `Id`. What `ResultContent`
holds is the maker's: any values or structures.
"""

from __future__ import annotations

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
RESULT_STATES = {0: "Undefined", 1: "Completed", 2: "Processing", 3: "Aborted", 4: "Failed"}
COMPLETED = 1
