"""The commented sample: right as it stands, and it names every option there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from edge.config import EdgeConfig, load, sample
from edge.config.model import models_in
from edge.config.sample import SOURCES, source_sample
from edge.sources.registry import SETTINGS


def keys_of(model: type[BaseModel], kind: str) -> set[str]:
    """Keys that a file may have whose sources are of this kind."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        models = models_in(field.annotation)
        for inner in [SETTINGS[kind]] if len(models) > 1 else models:
            found |= keys_of(inner, kind)
    return found


@pytest.mark.parametrize("kind", SETTINGS)
def test_it_is_right_as_it_stands(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(sample(kind))
    (source,) = load(file, {}).sources
    assert source.kind == kind
    assert len(source.tags) > 1 or "tags" not in type(source).model_fields


@pytest.mark.parametrize("kind", SETTINGS)
def test_it_names_every_option(kind: str) -> None:
    words = set(sample(kind).replace(":", " ").split())
    assert keys_of(EdgeConfig, kind) <= words


@pytest.mark.parametrize("kind", SOURCES)
def test_each_folder_has_the_sample_of_its_kind(kind: str) -> None:
    folder = Path(__file__).parents[3] / "edge" / "sources" / kind
    what_to_do = "write it anew: python -m edge.sources"
    assert (folder / "sample.yaml").read_text() == source_sample(kind), what_to_do


def test_each_field_of_the_model_says_what_it_is() -> None:
    def check(model: type[BaseModel]) -> None:
        assert model.model_config.get("extra") == "forbid"
        for name, field in model.model_fields.items():
            assert field.title, f"{model.__name__}.{name} has no title"
            for inner in models_in(field.annotation):
                check(inner)

    check(EdgeConfig)
