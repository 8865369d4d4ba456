"""What a command prints, also where a terminal, or a log file, knows ASCII only."""

import io
import sys
from collections.abc import Callable

from acga_lib.errors import KitError


def print_any_text() -> None:
    """Let this process print every text: where the locale lacks a letter, as `\\xe4`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run_command(what: str, work: Callable[[], str | None]) -> int:
    """Do a command's work and print the line that it returns -> the command's exit status.

    A KitError is told on stderr in place of a traceback, and the status is 1.
    """
    print_any_text()
    try:
        line = work()
    except KitError as error:
        print(f"FAILED  {what}: {error}", file=sys.stderr, flush=True)
        return 1
    if line:
        print(line, flush=True)
    return 0
