"""`chatterbox-api serve`: runs the HTTP service."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatterbox_api import settings
from chatterbox_api.cli.common import env_file_option
from chatterbox_api.environment import check_all, declared_settings, read_environment
from chatterbox_api.logs import set_up_logging

if TYPE_CHECKING:
    from chatterbox_api.compose import Service
    from chatterbox_api.connection_limits import ConnectionLimits

__all__ = ["serve"]

_log = logging.getLogger(__name__)


class _ServeCommand(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every setting of this installation, the adapters' included."""
        with formatter.section("Settings (environment or .env)"):
            formatter.write_dl(
                [
                    (setting.name, setting.help + (f" [{setting.default}]" if setting.default else ""))
                    for setting in declared_settings()
                ]
            )


@click.command(cls=_ServeCommand, short_help="Run the HTTP service.")
@click.option("--host", help="Instead of HOST.")
@click.option("--port", help="Instead of PORT.")
@env_file_option
def serve(host: str | None, port: str | None, env_file: Path | None) -> None:
    """Run the HTTP service until SIGTERM or Ctrl-C."""
    set_up_logging("info")
    env = read_environment(env_file)
    env |= {name: value for name, value in (("HOST", host), ("PORT", port)) if value is not None}
    check_all(env)
    set_up_logging(settings.LOG_LEVEL.read(env))
    asyncio.run(_serve(env))


async def _serve(env: Mapping[str, str]) -> None:
    from chatterbox_api.compose import compose
    from chatterbox_api.server import Drain, hold_port, stop_signals
    from chatterbox_api.server import serve as run
    from chatterbox_api_http_litestar import HttpLimits, create_app

    host = settings.HOST.read(env)
    drain = Drain(settings.DRAIN_NOTICE_S.read(env), settings.DRAIN_S.read(env))
    with hold_port(host, settings.PORT.read(env)) as sock:
        address, port = sock.getsockname()[:2]
        async with compose(env) as service:
            if service.store_name == "memory":
                _log.warning("voices are kept in memory only, and are lost when the service stops")
            if not ipaddress.ip_address(address).is_loopback:
                _log.warning("listening on %s: everyone who can reach this address may use the service", host)
            app = create_app(
                speech=service.speech,
                voices=service.voices,
                watermarks=service.watermarks,
                version=version("chatterbox-api"),
                limits=HttpLimits(bodies_dir=settings.SPOOL_DIR.read(env)),
                cors_origins=settings.CORS_ORIGINS.read(env),
                allowed_hosts=_allowed_hosts(env, address),
                is_draining=lambda: drain.begun,
            )
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

            def on_listening() -> None:
                gc.collect()
                gc.freeze()  # what exists now lives as long as the process; collecting it again would delay requests
                _log_start(service, url)

            with stop_signals() as signals:
                await run(
                    app, sock, drain=drain, signals=signals, limits=_connection_limits(env), on_listening=on_listening
                )
    _log.info("stopped")


def _connection_limits(env: Mapping[str, str]) -> ConnectionLimits:
    from chatterbox_api.connection_limits import ConnectionLimits

    return ConnectionLimits(
        connections=settings.MAX_CONNECTIONS.read(env),
        header_s=settings.HEADER_TIMEOUT_S.read(env),
        keep_alive_s=settings.KEEP_ALIVE_S.read(env),
    )


def _log_start(service: Service, url: str) -> None:
    _log.info("listening on %s, engine %s, voices in %s", url, service.speech.engine, service.store_name)
    _log.info(
        """try: curl %s/v1/audio/speech -H 'Content-Type: application/json' -d '{"input": "Hello!"}' -o hello.mp3""",
        url,
    )


def _allowed_hosts(env: Mapping[str, str], address: str) -> tuple[str, ...] | None:
    """The host names that clients may call the server by; None, for any, only on other addresses than loopback."""
    names = settings.ALLOWED_HOSTS.read(env)
    if not names and not ipaddress.ip_address(address).is_loopback:
        return None
    return (*names, settings.HOST.read(env), address)
