"""Correct the error responses in FastAPI's OpenAPI document."""

from typing import Any

from services.hosting import problems

_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Replace FastAPI's error schemas by problem details, in place, and return the document."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDetails"] = problems.ProblemDetails.model_json_schema(mode="serialization")
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation["responses"], protected="security" in operation)
    return document


def _complete(answers: dict[str, Any], *, protected: bool) -> None:
    mine = problems.responses(*([422] if "422" in answers else []), *([503] if protected else []))
    answers |= {str(status): answer for status, answer in mine.items()}
