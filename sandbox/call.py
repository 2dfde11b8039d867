"""What one HTTP call asks, and the answers a route can give."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .errors import ApiError, bad_request, internal
from .multipart import Part, parse_multipart
from .settings import Login

if TYPE_CHECKING:
    from .world import Tenant, World


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, read whole."""

    method: str
    #: Path and query exactly as sent; error bodies repeat it.
    uri: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    world: World
    tenant: Tenant
    login: Login
    #: The variables of the route's path, decoded.
    variables: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.variables[name]

    @property
    def content_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 become U+FFFD, as the server stores them."""
        return self.body.decode(errors="replace")

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def required(self, name: str) -> str:
        """The value of a query parameter, or the server's 400."""
        value = self.first(name)
        if value is None:
            raise bad_request(f"Required QueryValue [{name}] not specified")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter as true or false."""
        value = self.first(name)
        return default if value is None else value.lower() == "true"

    def number(self, name: str, default: int) -> int:
        """A query parameter as an integer, or the server's 422."""
        value = self.first(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise internal(
                f"Failed to convert argument [{name}] for value [{value}]"
                f' due to: For input string: "{value}"',
                422,
            ) from None

    def json(self) -> Any:
        """The body as JSON, or the server's 422."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ApiError(422, f"Invalid json: {error}") from error

    def parts(self) -> list[Part]:
        """The parts of a multipart body."""
        return parse_multipart(self.headers.get("content-type", ""), self.body)


def json_answer(content: Any, status: int = 200) -> Response:
    """JSON, without blanks."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode(errors="replace"), status, media_type="application/json")


def empty_answer(status: int = 200) -> Response:
    """No body."""
    return Response(b"", status)


def archive_answer(archive: bytes, filename: str) -> Response:
    """An archive to be saved under `filename`."""
    return Response(
        archive,
        200,
        {"content-disposition": f'attachment; filename="{filename}"'},
        "application/octet-stream",
    )
