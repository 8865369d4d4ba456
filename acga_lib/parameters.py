"""Parameters as people give them: folders, their names, and `name=value` on a command line."""

import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from acga_lib.errors import ConfigError

#: What the embedded data are called; no other data may be.
EMBEDDED = "toy"
#: What stays of a folder's name: other characters mean something to a shell, a workflow, an address
#: or a list, and names of files travel through all of them.
PLAIN = re.compile(r"[^\w.+-]")
#: Bytes of a data folder's name: the names of its records, which a file system limits to 255, are
#: longer.
MAX_NAME = 150
#: Characters that no name of a file that people are to read can have: control characters, halves
#: of a character (what Python makes of bytes that it cannot decode), ends of lines.
UNREADABLE = {"Cc", "Cs", "Zl", "Zp"}


def choose(kind: str, table: dict[str, Any], name: str) -> Any:
    """Look `name` up in `table`; ConfigError lists the valid names."""
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"unknown {kind} '{name}'; choose one of: {', '.join(table)}")
    return table[name]


def folder(root: str | os.PathLike[str], parameter: str) -> str:
    """A folder that a parameter names, as text: `~` is the home; empty stays empty.

    Raises ConfigError for anything but a path.
    """
    if not isinstance(root, str | os.PathLike) or not isinstance(os.fspath(root), str):
        raise ConfigError(
            f"{parameter} must be the path of a folder as text, not {root!r}; in Python and in "
            'notebooks, put it into quotes: "…"'
        )
    if "\0" in (text := os.fspath(root)):
        raise ConfigError(f"{parameter}: {text!r} has a character that no path can have")
    return os.path.expanduser(text)


def data_name(root: str) -> str:
    """What ids, records and tables call the data in a folder: its own name in plain letters.

    Everything but letters, digits, "_", ".", "+" and "-" becomes "_", and a letter has one form
    (NFC). Folders whose names become one are told apart by their data (`experiment.names`). Raises
    ConfigError for a name that the files of a run cannot carry, or that is taken.
    """
    path = Path(root).resolve()
    name = PLAIN.sub("_", unicodedata.normalize("NFC", path.name))
    wrong = ""
    if not path.name:
        wrong = "the root of the file system has none"
    elif UNREADABLE & {unicodedata.category(letter) for letter in path.name}:
        wrong = "it cannot be printed (in this locale; PYTHONUTF8=1 chooses another)"
    elif len(os.fsencode(name)) > MAX_NAME:
        wrong = f"it is longer than {MAX_NAME} bytes"
    elif name.casefold() == EMBEDDED:
        wrong = "the embedded data are called so"
    if wrong:
        raise ConfigError(
            f"data_root {str(path)!a}: a folder's name stands in the names of all its records, and "
            f"{wrong}. Rename the folder, or make one of another name that holds links to its "
            "contents"
        )
    return name


def parse_parameter(text: str, *, texts: Collection[str] = ()) -> tuple[str, Any]:
    """`name=value`; the value is read as JSON where it is JSON (numbers, true, "…"), else text.

    texts: names of parameters that are text whatever they look like, e.g. a folder called 2017.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"'{text}' is not of the form name=value")
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return name, value
    return name, value if name in texts and not isinstance(found, str) else found


def parse_parameters(given: Iterable[str], *, texts: Collection[str] = ()) -> dict[str, Any]:
    """Several `name=value` by name, as `parse_parameter`; ConfigError for one given twice."""
    parameters: dict[str, Any] = {}
    for name, value in (parse_parameter(text, texts=texts) for text in given):
        if name in parameters:
            raise ConfigError(f"parameter '{name}' is given twice")
        parameters[name] = value
    return parameters
