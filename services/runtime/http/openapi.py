"""Correct the error responses in FastAPI's OpenAPI document."""

from typing import Any

from services.runtime.http import problems

_FASTAPI_ERROR_SCHEMAS = ("HTTPValidationError", "ValidationError")


def with_problem_details(document: dict[str, Any]) -> dict[str, Any]:
    """Replace FastAPI's error schemas by problem details, in place, and return the document."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDetails"] = problems.ProblemDetails.model_json_schema(mode="serialization")
    for name in _FASTAPI_ERROR_SCHEMAS:
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _add_problem_responses(operation["responses"], protected="security" in operation)
    return document


def _add_problem_responses(responses: dict[str, Any], *, protected: bool) -> None:
    added = problems.problem_responses(*([422] if "422" in responses else []), *([503] if protected else []))
    responses |= {str(status): answer for status, answer in added.items()}
