"""Which route answers a method and a path: literals before variables, 404 and 405 in its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from .call import Call
from .errors import ApiError, not_found

Endpoint = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path template such as `flows/{namespace}/{id}`."""

    method: str
    template: tuple[str, ...]
    answer: Endpoint

    def variables(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The values of the template's variables, or None where the path does not fit."""
        found = {}
        for wanted, given in zip(self.template, segments, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = given
            elif wanted != given:
                return None
        return found


class Router:
    """The routes of a tenant."""

    def __init__(self) -> None:
        self._routes: defaultdict[int, list[Route]] = defaultdict(list)

    def add(self, method: str, template: str, answer: Endpoint) -> None:
        """Make `answer` responsible for a method and a template."""
        route = Route(method, tuple(template.split("/")), answer)
        routes = self._routes[len(route.template)]
        routes.append(route)
        routes.sort(key=lambda known: sum(part.startswith("{") for part in known.template))

    def fits(self, segments: tuple[str, ...]) -> list[tuple[Route, dict[str, str]]]:
        """All routes whose template fits the path, the most literal first."""
        found = []
        for route in self._routes.get(len(segments), ()):
            variables = route.variables(segments)
            if variables is not None:
                found.append((route, variables))
        return found


def choose(
    fitting: list[tuple[Route, dict[str, str]]], method: str, path: str
) -> tuple[Route, dict[str, str]]:
    """The route for a method; 404 where none fits the path, 405 where only the method is wrong."""
    wanted = "GET" if method == "HEAD" else method
    for route, variables in fitting:
        if route.method == wanted:
            return route, variables
    if not fitting:
        raise not_found()
    allowed = {route.method for route, _ in fitting}
    if "GET" in allowed:
        allowed.add("HEAD")
    raise ApiError(
        405,
        f"Method Not Allowed: Method [{method}] not allowed for URI [{path}]."
        f" Allowed methods: [{', '.join(sorted(allowed))}]",
    )
