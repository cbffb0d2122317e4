"""The `latentlayers` command. Modules here import nothing slow before a command needs it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from latentlayers.cli import bench, daemon, doctor, edit, embed, embeddings, models
from latentlayers.cli.exits import DONE, FAILED, exit_code
from latentlayers.cli.output import print_error
from latentlayers.errors import Cancelled, InvalidInput, LatentLayersError

app = typer.Typer(
    name="latentlayers",
    help="Embed pictures into a StyleGAN's latent space and edit them there.",
    epilog="A, B … are picture files, embedding ids or samples (seed:17). Exit codes: 0 done, 2 bad usage, "
    "3 refused input, 4 no daemon, 5 cancelled, 1 anything else.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (embed, edit, models, embeddings, daemon, doctor, bench):
    group.register(app)

# Where typer's exceptions live has changed with its versions; their place in the family has not.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code and raises nothing."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    as_json = "--json" in arguments
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it has to say arrives as an error too
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a letter must not end the command
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except LatentLayersError as error:
        print_error(error, as_json)
        return exit_code(error)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - it is open until the process ends
        return FAILED
    except Exception as error:
        if not as_json:
            traceback.print_exc()
        remedy = "This is a bug: please report it with the output of `latentlayers doctor`."
        print_error(LatentLayersError("INTERNAL", f"{type(error).__name__}: {error}", remedy), as_json)
        return FAILED


def _run(arguments: list[str]) -> int:
    """The exit code of a command that ended well or by itself.

    Raises:
        InvalidInput: USAGE. Cancelled: by Ctrl-C. All that the command raises.
    """
    try:
        code = app(args=arguments, prog_name="latentlayers", standalone_mode=False)
    except _UsageError as error:
        raise _usage(error) from None
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        raise Cancelled("CANCELLED", "Cancelled.", "Run the command again to start over.")
    return code if isinstance(code, int) else DONE


def _usage(error: Any) -> InvalidInput:
    """What typer found wrong with the arguments, as one of our errors."""
    command = error.ctx.command_path if error.ctx else app.info.name
    return InvalidInput("USAGE", error.format_message(), f"See `{command} --help`.")
