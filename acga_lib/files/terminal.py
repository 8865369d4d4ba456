"""What is printed where a terminal, or a log file, knows ASCII only."""

import io
import sys


def print_any_text() -> None:
    """Let this process print every text: where the locale lacks a letter, as `\\xe4`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
