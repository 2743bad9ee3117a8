"""The command line. Exit codes: 0 done, 1 failed, 2 wrong use or input, 3 configuration, 4 no such voice,
5 temporarily unavailable, 6 no watermark, 130 interrupted."""

from __future__ import annotations

import signal
import sys
from typing import Final, NoReturn

import click

from chatterbox_api.cli.clip import clip
from chatterbox_api.cli.common import ENDING_SIGNALS
from chatterbox_api.cli.doctor import doctor
from chatterbox_api.cli.output import discard_output, echo, prepare_output
from chatterbox_api.cli.plugins import plugins
from chatterbox_api.cli.say import say
from chatterbox_api.cli.serve import serve
from chatterbox_api.cli.voices import voices
from chatterbox_api.cli.watermark import watermark
from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidInput, NotFound, Unavailable

__all__ = ["main"]

_EXIT_CODES: Final[dict[type[ChatterboxError], int]] = {
    InvalidInput: 2,
    ConfigurationError: 3,
    NotFound: 4,
    Unavailable: 5,
    ChatterboxError: 1,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="chatterbox-api", prog_name="chatterbox-api")
def cli() -> None:
    """Text to speech in cloned voices, with an OpenAI-compatible API.

    Settings come from the environment and from a file .env in the working folder; `serve --help` lists them.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong use or input, 3 configuration, 4 no such voice,
    5 temporarily unavailable, 6 no watermark, 130 interrupted.
    """


for command in (serve, say, voices, clip, watermark, plugins, doctor):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _terminate)
    prepare_output()
    code = _run()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        discard_output()
        if code == 0:
            code = _failed(error)
    sys.exit(code)


def _run() -> int:
    """Run the command, and return its exit code."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        echo("Interrupted.", err=True)
        return 130
    except ChatterboxError as error:
        echo(f"Error: {error}", err=True)
        return next(_EXIT_CODES[cls] for cls in type(error).__mro__ if cls in _EXIT_CODES)
    except OSError as error:
        return _failed(error)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return code if isinstance(code, int) else 0


def _failed(error: OSError) -> int:
    """Print a failure, unless the reader of the output has closed it, as `head` does. Returns the exit code."""
    if not isinstance(error, BrokenPipeError):
        echo(f"Error: {error}", err=True)
    return 1


def _terminate(number: int, frame: object) -> NoReturn:
    """End by an exception before a command's event loop runs; from then on the loop handles the signal."""
    sys.exit(128 + number)
