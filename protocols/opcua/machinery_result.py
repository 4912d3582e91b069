"""Names of the companion model Machinery Result Transfer (OPC 40001-101, version 1.01) that results
travel by, and of what joining systems (OPC 40450-1, version 1.01) put into them.

A machine raises an event of `ResultReadyEventType`, or of a type made of it, for each result. Its
field `Result` is a structure: `ResultMetaData`, in which all but `ResultId` is optional, and
`ResultContent`, an array of whatever the maker chose. Joining systems put a structure there with
`OverallResultValues`, each with its limits; or, into the result of a batch or a job, whole results.
"""

from __future__ import annotations

NAMESPACE = "http://opcfoundation.org/UA/Machinery/Result/"
RESULT_READY = 1002
"""Number of the node ResultReadyEventType in `NAMESPACE`; it is abstract."""
RESULT = "Result"
"""Field of the event, beside those of every event."""
META, CONTENT = "ResultMetaData", "ResultContent"
META_FIELDS = (
    "ResultId",
    "HasTransferableDataOnFile",
    "IsPartial",
    "IsSimulated",
    "ResultState",
    "StepId",
    "PartId",
    "ExternalRecipeId",
    "InternalRecipeId",
    "ProductId",
    "ExternalConfigurationId",
    "InternalConfigurationId",
    "JobId",
    "CreationTime",
    "ProcessingTimes",
    "ResultUri",
    "ResultEvaluation",
    "ResultEvaluationCode",
    "ResultEvaluationDetails",
    "FileFormat",
)
"""Of `META`. The states are those of Machine Vision."""
JOINING_META_FIELDS = (
    "JoiningTechnology",
    "SequenceNumber",
    "Name",
    "Description",
    "Classification",
    "OperationMode",
    "AssemblyType",
    "AssociatedEntities",
    "ResultCounters",
    "InterventionType",
    "IsGeneratedOffline",
    "ExtendedMetaData",
)
"""Of the subtype of `META` that joining systems have."""
OK, NOT_OK, NOT_DECIDABLE = 1, 2, 3
"""ResultEvaluation; 0: undefined."""
LIST_IDS, BY_ID = "GetResultIdListFiltered", "GetResultById"
"""Methods of ResultManagement that list the ids of the results that the machine holds, and give
one of them."""

OVERALL = "OverallResultValues"
"""Member of the structure that joining systems put into the content."""
QUANTITIES = (
    "",
    "Time",
    "Torque",
    "Angle",
    "Impulse",
    "Distance",
    "Area",
    "Volume",
    "Force",
    "Pressure",
    "Voltage",
    "Current",
    "Resistance",
    "Power",
    "Energy",
    "Mass",
    "Temperature",
    "Frequency",
    "Jolt",
    "Vibration",
    "Number",
)
"""PhysicalQuantity of a value by its number, as far as all versions agree."""
