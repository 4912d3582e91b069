"""The published schemas are the models, and version 1 does not drift unseen."""

import json
from pathlib import Path

from protocols.jis.schema import json_schemas

GOLDEN = Path(__file__).with_name("schema_v1.json")


def test_the_contract_of_version_1_is_unchanged() -> None:
    """A difference is a change of the contract: add only, then renew the file on purpose."""
    assert json_schemas() == json.loads(GOLDEN.read_text())
