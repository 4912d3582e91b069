"""Why a message was refused, in one line that quotes nothing of it."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError, whole: str) -> str:
    """`field.of.it: what is wrong`; `whole` names the message where no field is to blame."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}"
