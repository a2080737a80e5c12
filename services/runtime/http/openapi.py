"""Correct the error responses in FastAPI's OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from services.runtime.http import problems

_REFERENCE = "#/components/schemas/{model}"
_FASTAPI_ERROR_SCHEMAS = ("HTTPValidationError", "ValidationError")


def with_problem_details(
    document: dict[str, Any], models: Sequence[type[problems.ProblemDetails]] = ()
) -> dict[str, Any]:
    """Replace FastAPI's error schemas by problem details, in place, and return the document.

    `models` are those of problems with further members.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    documented: list[type[problems.ProblemDetails]] = [problems.ProblemDetails, *models]
    for model in documented:
        schema = model.model_json_schema(mode="serialization", ref_template=_REFERENCE)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    for name in _FASTAPI_ERROR_SCHEMAS:
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _add_problem_responses(operation["responses"], protected="security" in operation)
    return document


def _add_problem_responses(responses: dict[str, Any], *, protected: bool) -> None:
    added = problems.problem_responses(*([422] if "422" in responses else []), *([503] if protected else []))
    for status, answer in added.items():
        if problems.MEDIA_TYPE not in responses.get(str(status), {}).get("content", {}):
            responses[str(status)] = answer
