"""`python -m sandbox`: run a server until it is ended; the first line of output is its URL."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .seed import plant
from .server import build_server, listen
from .settings import (
    DEFAULT_CONTROL_TOKEN,
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Dialect,
    Login,
    Settings,
)
from .world import World


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, print the URL, serve."""
    options = _parser().parse_args(arguments)
    world = World(_settings(options))
    tenant = world.tenant("main")
    if options.snapshot and tenant is not None:
        plant(tenant, json.loads(Path(options.snapshot).read_text()))
    listener = listen(options.port)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    build_server(world).run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = a free port (default)")
    parser.add_argument("--dialect", choices=list(Dialect), default=Dialect.V1_3)
    parser.add_argument("--user", default=DEFAULT_USER, help="the login's name")
    parser.add_argument("--password", default=DEFAULT_PASSWORD)
    parser.add_argument("--token", help="lets the login call with a Bearer token as well")
    parser.add_argument(
        "--tenant",
        action="append",
        help="a tenant that exists; with any, the server is no strict OSS server",
    )
    parser.add_argument("--ee", action="store_true", help="answer as an EE server")
    parser.add_argument("--uuid", help="the identity that configs tells")
    parser.add_argument(
        "--missing-plugin", action="append", default=[], help="a type, or prefix.*, not installed"
    )
    parser.add_argument("--snapshot", help="JSON seed document to start with")
    parser.add_argument("--control-token", default=DEFAULT_CONTROL_TOKEN)
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    login = Login(name=options.user, password=options.password, token=options.token)
    return Settings(
        dialect=Dialect(options.dialect),
        oss_strict=not options.tenant,
        tenants=tuple(options.tenant or ("main",)),
        ee=options.ee,
        logins=(login,),
        missing_plugins=tuple(options.missing_plugin),
        uuid=options.uuid or Settings().uuid,
        control_token=options.control_token,
    )


if __name__ == "__main__":
    main()
