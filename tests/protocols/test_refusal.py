"""The one line that says why a message was refused."""

import pytest
from pydantic import ValidationError

from protocols.jis.messages import CALL_RECORD, CallKey
from protocols.refusal import first_problem


def test_it_names_the_field_and_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        CALL_RECORD.validate_python({"kind": "call", "key": {"plant": "s3cret/x"}})
    said = first_problem(caught.value, "record")
    assert said.startswith("call.key.plant: ")
    assert "s3cret" not in said


def test_without_a_field_it_names_the_whole() -> None:
    with pytest.raises(ValidationError) as caught:
        CallKey.model_validate_json(b"{")
    assert first_problem(caught.value, "key").startswith("key: ")
