"""What a check of a dataset found: counts, problems by kind of file, what may be behind them."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from acga_lib.errors import KitError
from acga_lib.files.paths import refusal


@dataclass
class Report:
    """What a check found.

    Attributes:
        counts: what there is; `expected`: what the published release has, where this is it.
        problems: kind of file → messages.
        hints: what may be behind them.
    """

    name: str
    root: Path
    progress: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, kind: str) -> Iterator[None]:
        """Run the block; a KitError in it, or what the system refuses, becomes a problem."""
        try:
            yield
        except KitError as error:
            self.add(kind, str(error))
        except OSError as error:
            self.add(kind, str(refusal(Path(error.filename or self.root), "file", error)))

    def add(self, kind: str, message: str) -> None:
        """Note a problem."""
        self.problems.setdefault(kind, []).append(message)

    def bar(self, items: Collection[str], what: str) -> Iterable[str]:
        """The items, behind a progress bar."""
        return tqdm(items, desc=f"{self.name}, {what}", disable=not self.progress)

    def hold_counts(self) -> None:
        """No sample at all in a split is a problem, and so is any count but the published one."""
        for what, number in self.counts.items():
            if what.endswith(" samples") and not number and not self.problems:
                self.add("lists", f"{self.root}: there are no {what}: complete the lists")
        for what, number in self.expected.items():
            if self.counts.get(what, 0) != number:
                self.add("counts", f"{self.counts.get(what, 0):,} {what} where the published "
                         f"release gives {number:,}")  # fmt: skip
