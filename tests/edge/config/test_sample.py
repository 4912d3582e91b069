"""The commented sample: right as it stands, and it names every option there is."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from edge.config import EdgeConfig, load, sample
from edge.config.model import model_in


def keys_of(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        inner = model_in(field.annotation)
        if inner is not None:
            found |= keys_of(inner)
    return found


def test_it_is_right_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(sample())
    config = load(file, {})
    assert [tag.name for tag in config.sources[0].tags] == ["Force", "Stroke"]


def test_it_names_every_option() -> None:
    words = set(sample().replace(":", " ").split())
    assert keys_of(EdgeConfig) <= words


def test_each_field_of_the_model_says_what_it_is() -> None:
    def check(model: type[BaseModel]) -> None:
        assert model.model_config.get("extra") == "forbid"
        for name, field in model.model_fields.items():
            assert field.title, f"{model.__name__}.{name} has no title"
            inner = model_in(field.annotation)
            if inner is not None:
                check(inner)

    check(EdgeConfig)
