"""The files in schemas/json are the models' schemas and agree with the models."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cohost_schemas import envelope
from cohost_schemas.export import __main__, catalog, json_schema
from cohost_schemas.types import CommandData, Message
from tests.contract.published_schemas import validator_for
from tests.schemas import example_models

INPUT_MODELS = catalog.COMMANDS + catalog.FACTS
SCHEMAS = {model: json_schema.schema_document(model) for model in catalog.PUBLISHED_MODELS}
DATA_VALIDATORS = {
    model: validator_for({"$ref": f"#/$defs/{model.__name__}", "$defs": schema["$defs"]})
    for model, schema in SCHEMAS.items()
}


def test_the_files_are_the_models_schemas() -> None:
    assert __main__.differing_files(__main__.JSON_FOLDER) == []
    assert __main__.main(["--check"]) == 0


def test_changed_missing_and_extra_schema_files_are_found(tmp_path: Path) -> None:
    __main__.write_files(tmp_path)
    assert __main__.differing_files(tmp_path) == []
    (tmp_path / "SendInvitation.v1.json").write_text("{}")
    (tmp_path / "RoomChanged.v1.json").unlink()
    (tmp_path / "Extra.v1.json").write_text("{}")
    assert __main__.differing_files(tmp_path) == [
        "Extra.v1.json",
        "RoomChanged.v1.json",
        "SendInvitation.v1.json",
    ]


def test_only_command_schemas_refuse_unknown_fields() -> None:
    refusing = [
        model.__name__
        for model, schema in SCHEMAS.items()
        if schema["$defs"][model.__name__].get("additionalProperties") is False
    ]
    assert refusing == [model.__name__ for model in catalog.COMMANDS]


def test_a_default_stands_in_the_schema() -> None:
    fields = SCHEMAS[catalog.COMMANDS[0]]["$defs"]["SendInvitation"]["properties"]
    assert fields["expiresInSeconds"] == {
        "anyOf": [{"type": "integer", "minimum": 10, "maximum": 604_800}, {"type": "null"}],
        "default": 86_400,
    }


def test_only_commands_and_facts_may_have_their_data_in_base64() -> None:
    encoded = [model for model, schema in SCHEMAS.items() if "data_base64" in schema["properties"]]
    assert encoded == list(INPUT_MODELS)


@pytest.mark.parametrize("model", INPUT_MODELS, ids=lambda model: model.__name__)
def test_an_input_has_either_data_or_data_in_base64(model: type[Message]) -> None:
    event = catalog.load_example(model)
    data = event.pop("data")
    validator = validator_for(SCHEMAS[model])
    for one, other in (("data", "data_base64"), ("data_base64", "data")):
        given = data if one == "data" else "e30="
        assert validator.is_valid({**event, one: given})
        assert validator.is_valid({**event, one: given, other: None})
        assert not validator.is_valid({**event, one: None})
    for refused in ({}, {"data": data, "data_base64": "e30="}, {"data": None, "data_base64": None}):
        assert not validator.is_valid({**event, **refused})
    for wrong in ({"data": "text"}, {"data_base64": 5}, {"data_base64": {}}):
        assert not validator.is_valid({**event, **wrong})


values = (
    st.none()
    | st.booleans()
    | st.integers(-2, 700_000)
    | st.sampled_from([60.0, 2.0, ".", "..", "..."])
    | st.sampled_from(["60", 60.5, "", "a\n", "room-1", "\x00", "x" * 64, "x" * 65, "ä", "live", "active"])
    | st.sampled_from(["microphone", "no_show", "😀" * 280, "😀" * 281])
    | st.lists(st.sampled_from(["bob", "", 5, None]), max_size=2)
    | st.just({})
)


@pytest.mark.parametrize("model", INPUT_MODELS, ids=lambda model: model.__name__)
@given(changes=st.data())
def test_a_schema_agrees_with_the_service(model: type[Message], changes: st.DataObject) -> None:
    fields = [*SCHEMAS[model]["$defs"][model.__name__]["properties"], "unknown"]
    data = example_models.ALL[model.__name__].model_dump(mode="json", by_alias=True)
    data |= changes.draw(st.dictionaries(st.sampled_from(fields), values, max_size=3))
    for name in changes.draw(st.sets(st.sampled_from(fields), max_size=2)):
        data.pop(name, None)
    if issubclass(model, CommandData) and data.get("unknown", "") is None:
        data.pop("unknown")  # null equals absent, which a schema cannot express for unknown names
    assert DATA_VALIDATORS[model].is_valid(data) == _is_accepted(model, data)


def _is_accepted(model: type[Message], data: dict[str, Any]) -> bool:
    try:
        model.model_validate(envelope.without_nulls(data), by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True


def test_descriptions_are_without_the_indentation_of_the_code() -> None:
    described = [schema["description"] for schema in SCHEMAS.values()]
    assert any("\n" in description for description in described)
    assert not any("\n " in description for description in described)
