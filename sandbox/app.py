"""From an HTTP request to its answer: tenant, login, route, faults and log."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from . import (
    charts,
    dashboardroutes,
    fileroutes,
    flowbulk,
    flowreplace,
    flowroutes,
    kvroutes,
    namespaces,
)
from .access import WrongPasswordError, who_calls
from .call import Call, json_answer
from .control import Control
from .errors import ApiError, EmptyError, bad_request, error_body, internal, not_found
from .faults import Fault, Strike, When
from .journal import journal
from .requestlog import Entry
from .routing import Router, choose
from .seed import plant
from .settings import Dialect, Login
from .transport import Transports
from .world import World

#: First segments that a 1.3 server still takes without a tenant.
TENANTLESS = ("flows", "namespaces", "dashboards", "kv")


@dataclass(slots=True, kw_only=True)
class Request:
    """A request as it came, with what is found out about it on the way."""

    method: str
    path: str
    uri: str
    query: str
    headers: dict[str, str]
    body: bytes
    login: Login | None = None
    changed: list[str] = field(default_factory=list)
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        raw = self.uri.partition("?")[0]
        self.segments = tuple(unquote(segment) for segment in raw.strip("/").split("/"))

    @property
    def target(self) -> str:
        """What faults are matched with: decoded path and query."""
        return f"{self.path}?{unquote(self.query)}" if self.query else self.path


class SandboxApp:
    """The ASGI application of one server."""

    def __init__(self, world: World, transports: Transports) -> None:
        self.world = world
        self.control = Control(world)
        self._transports = transports
        self._router = Router()
        flowroutes.add_routes(self._router)
        flowbulk.add_routes(self._router)
        flowreplace.add_routes(self._router)
        fileroutes.add_routes(self._router)
        dashboardroutes.add_routes(self._router)
        charts.add_routes(self._router)
        kvroutes.add_routes(self._router, world.settings.dialect)
        namespaces.add_routes(self._router, ee=world.settings.ee)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        if request.segments[0] == "_sandbox":
            await _send(send, request, await self.control.answer(request.uri, request))
            return
        started = (time.monotonic(), time.time())
        strike = self.world.faults.striking(request.method, request.target)
        response, truncate = await self._struck(request, strike)
        sent = 0
        # Logged before it is sent: whoever has the answer can read the entry.
        if response is not None:
            sent = len(response.body) if truncate is None else min(truncate, len(response.body))
        self._log(request, strike, started, response.status_code if response else 0, sent)
        if response is None:
            self._transports.reset(scope)
        elif truncate is not None:
            await _send(send, request, response, truncate)
            self._transports.reset(scope)
        else:
            await _send(send, request, response)

    async def _struck(self, request: Request, strike: Strike) -> tuple[Response | None, int | None]:
        """The answer after all faults: None = reset, a number = so many bytes and no more."""
        if strike.latency:
            await asyncio.sleep(strike.latency)
        self._edit(strike, When.BEFORE)
        replaced = strike.replacement(When.BEFORE)
        if replaced is not None:
            return _replacement(replaced), None
        with journal(losing=strike.lose) as request.changed:
            response = await self.answer(request)
        if request.changed:
            self.world.witness(request.login.name if request.login else None)
        self._edit(strike, When.AFTER)
        if strike.answer_latency:
            await asyncio.sleep(strike.answer_latency)
        replaced = strike.replacement(When.AFTER)
        if replaced is not None:
            return _replacement(replaced), None
        return response, strike.truncate

    def _edit(self, strike: Strike, when: When) -> None:
        for armed in strike.edits(when):
            if armed.callback is not None:
                armed.callback()
            if armed.fault.edit is not None:
                edit = dict(armed.fault.edit)
                tenant = self.world.tenant(edit.pop("tenant", "main"))
                if tenant is not None:
                    plant(tenant, edit)

    async def answer(self, request: Request) -> Response:
        """The answer without faults; every error has the server's form."""
        try:
            return await self._answer(request)
        except ApiError as error:
            return _refused(error, request)
        except Exception as error:
            return _refused(internal(f"{type(error).__name__}: {error}"), request)

    async def _answer(self, request: Request) -> Response:
        if request.segments[:2] != ("api", "v1"):
            return _outside_the_api(request)
        return await self._instance_call(request) or await self._tenant_call(request)

    async def _instance_call(self, request: Request) -> Response | None:
        world, rest = self.world, request.segments[2:]
        if rest == ("configs",):
            if world.settings.dialect is Dialect.V2_0:
                await self._log_in(request)
            return json_answer(_configs(world, request.headers.get("host", "")))
        if rest == ("configs", "login") and world.settings.dialect is Dialect.V2_0:
            return json_answer({"isBasicAuthInitialized": True})
        if rest == ("basicAuthValidationErrors",):
            return json_answer([])
        if rest == ("tenants", "search") and world.settings.ee:
            await self._log_in(request)
            names = world.tenant_names()
            return json_answer({"results": [{"id": name} for name in names], "total": len(names)})
        return None

    async def _tenant_call(self, request: Request) -> Response:
        name, rest = self._split_tenant(request.segments[2:])
        fitting = self._router.fits(rest)
        if fitting and self.world.settings.oss_strict and name != "main":
            raise bad_request("Tenant must be 'main' for OSS version")
        login = await self._log_in(request)
        tenant = self.world.tenant(name)
        if tenant is None:
            raise not_found()
        self._refuse_unsupported(rest)
        route, variables = choose(fitting, request.method, request.path)
        call = Call(
            method=request.method,
            uri=request.uri,
            query=parse_qsl(request.query, keep_blank_values=True),
            headers=request.headers,
            body=request.body,
            world=self.world,
            tenant=tenant,
            login=login,
            variables=variables,
        )
        return await route.answer(call)

    def _split_tenant(self, rest: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        if self.world.settings.dialect is Dialect.V1_3 and rest[:1] and rest[0] in TENANTLESS:
            return "main", rest
        return (rest[0], rest[1:]) if rest else ("main", ())

    def _refuse_unsupported(self, rest: tuple[str, ...]) -> None:
        kinds = {rest[0] if rest else "", rest[2] if len(rest) > 2 else ""}
        if kinds & set(self.world.switches.unsupported):
            status = self.world.switches.unsupported_status
            raise ApiError(status, "Not Found" if status == 404 else "Method Not Allowed")

    async def _log_in(self, request: Request) -> Login:
        try:
            login = who_calls(request.headers, self.world.switches.logins)
        except WrongPasswordError:
            await asyncio.sleep(self.world.settings.wrong_password_seconds)
            login = None
        if login is None:
            raise EmptyError(401)
        request.login = login
        return login

    def _log(
        self, request: Request, strike: Strike, started: tuple[float, float], status: int, sent: int
    ) -> None:
        self.world.log.add(
            Entry(
                method=request.method,
                path=request.path,
                query=request.query,
                status=status,
                login=request.login.name if request.login else None,
                started=started[0],
                ended=time.monotonic(),
                started_at=started[1],
                ended_at=time.time(),
                received_bytes=len(request.body),
                sent_bytes=sent,
                changed=tuple(request.changed),
                faults=tuple(armed.id for armed in strike.armed),
            )
        )


async def _read(scope: Scope, receive: Receive) -> Request:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    query = scope["query_string"].decode()
    path = scope["raw_path"].decode()
    return Request(
        method=scope["method"],
        path=scope["path"],
        uri=f"{path}?{query}" if query else path,
        query=query,
        headers={key.decode().lower(): text.decode("latin-1") for key, text in scope["headers"]},
        body=b"".join(chunks),
    )


async def _send(
    send: Send, request: Request, response: Response, truncate: int | None = None
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    body = b"" if request.method == "HEAD" else bytes(response.body)
    if truncate is None:
        await send({"type": "http.response.body", "body": body})
    else:
        await send({"type": "http.response.body", "body": body[:truncate], "more_body": True})


def _replacement(fault: Fault) -> Response | None:
    if fault.reset or fault.status is None:
        return None
    return Response((fault.body or "").encode(), fault.status, fault.headers)


def _refused(error: ApiError, request: Request) -> Response:
    if isinstance(error, EmptyError):
        headers = {"www-authenticate": "Basic"} if error.status == 401 else None
        return Response(b"", error.status, headers)
    return json_answer(error_body(error, request.uri), error.status)


def _outside_the_api(request: Request) -> Response:
    if request.path == "/ping":
        return Response(b"pong", media_type="application/json")
    if request.path == "/":
        return Response(b"", 307, {"location": "/ui/"})
    raise not_found()


def _configs(world: World, host: str) -> dict[str, object]:
    settings = world.settings
    return {
        "uuid": world.switches.uuid,
        "version": settings.version,
        "edition": "EE" if settings.ee else "OSS",
        "commitId": "0000000",
        "chartDefaultDuration": "PT24H",
        "commitDate": "2026-07-01T00:00:00Z",
        "isCustomDashboardsEnabled": "dashboards" not in world.switches.unsupported,
        "isAnonymousUsageEnabled": False,
        "isUiAnonymousUsageEnabled": False,
        "isTemplateEnabled": False,
        "url": f"http://{host}/",
        "preview": {"initial": 100, "max": 5000},
        "systemNamespace": world.switches.system_namespace,
        "hiddenLabelsPrefixes": ["system.", "internal."],
        "isAiEnabled": False,
        "isAiApiKeyConfigured": False,
        "isBasicAuthInitialized": True,
        "pluginsHash": 0,
        "isConcurrencyViewEnabled": True,
    }
