"""Which error a call ends with, in the words and the JSON shape of a Kestra server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """One entry of `_embedded.errors`: what is wrong, and where."""

    message: str
    path: str

    @property
    def line(self) -> str:
        """The form that a joined message uses."""
        return f"{self.path}: {self.message}\n"


class ApiError(Exception):
    """A call is refused: a status, a message and the violations behind it."""

    def __init__(self, status: int, message: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(status, message, violations)
        self.status = status
        self.message = message
        self.violations = violations


class EmptyError(ApiError):
    """A call is refused without a body (401, 403, an unreadable archive)."""

    def __init__(self, status: int) -> None:
        super().__init__(status, "")


def not_found(detail: str = "") -> ApiError:
    """404."""
    return ApiError(404, f"Not Found: {detail}" if detail else "Not Found")


def bad_request(detail: str) -> ApiError:
    """400."""
    return ApiError(400, f"Bad Request: {detail}")


def illegal_argument(detail: str) -> ApiError:
    """422 for a value that the server refuses."""
    return ApiError(422, f"Illegal argument: {detail}")


def illegal_state(detail: str) -> ApiError:
    """409."""
    return ApiError(409, f"Illegal state: {detail}")


def internal(detail: str, status: int = 500) -> ApiError:
    """500, or 422 where the server uses the same words for a bad request."""
    return ApiError(status, f"Internal server error: {detail}")


def invalid_field(path: str, message: str) -> ApiError:
    """422 for one field of an entity: duplicate id, changed id."""
    return ApiError(422, f"Invalid entity: {path}: {message}", (Violation(message, path),))


def invalid_entity(violations: tuple[Violation, ...]) -> ApiError:
    """422 for constraint violations, one line each."""
    lines = "".join(violation.line for violation in violations)
    return ApiError(422, f"Invalid entity: {lines}", violations)


def unreadable_entity(text: str, violations: tuple[Violation, ...]) -> ApiError:
    """422 for a text that cannot be read as its kind."""
    return ApiError(422, f"Invalid entity: {text}", violations)


_LINK_NULLS: dict[str, Any] = dict.fromkeys(
    ("profile", "deprecation", "title", "hreflang", "type", "name")
)


def error_body(error: ApiError, href: str) -> dict[str, Any]:
    """The JSON body of an error; `href` is the request's path and query as sent."""
    embedded: dict[str, Any] = {}
    if error.violations:
        embedded["errors"] = [
            {
                "message": violation.message,
                "logref": None,
                "path": violation.path,
                "_links": {},
                "_embedded": {},
            }
            for violation in error.violations
        ]
    return {
        "message": error.message,
        "logref": None,
        "path": None,
        "_links": {"self": {"href": href, "templated": False, **_LINK_NULLS}},
        "_embedded": embedded,
    }
