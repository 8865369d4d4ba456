"""environment.yml, pyproject.toml, constraints.txt and the Makefile describe one environment."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from acga_lib.config import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
*CONDA, SECTION = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
PINS = {
    requirement.name.lower().replace("_", "-"): requirement
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}


def wanted():
    """Everything that the pip section asks for by name, the kit's own requirements included."""
    return [*PROJECT["dependencies"], *EXTRAS["batch"], *EXTRAS["test"]]


def test_every_requirement_is_pinned_within_its_range():
    for requirement in map(Requirement, [*wanted(), *EXTRAS["browser"]]):
        (pin,) = PINS[requirement.name.lower()].specifier
        assert pin.operator == "==" and pin.version in requirement.specifier, requirement


def test_the_conda_environment_has_a_python_and_a_jupyterlab_that_the_kit_allows():
    python = next(spec for spec in CONDA if spec.startswith("python="))
    assert f"{python.removeprefix('python=')}.0" in SpecifierSet(PROJECT["requires-python"])
    assert next(spec for spec in CONDA if spec.startswith("jupyterlab")) in EXTRAS["batch"]


def test_make_asks_for_the_same_python():
    low, high = re.findall(r"\((\d, \d+)\)", (ROOT / "Makefile").read_text())[:2]
    low, high = (bound.replace(", ", ".") for bound in (low, high))
    assert SpecifierSet(f">={low},<{high}") == SpecifierSet(PROJECT["requires-python"])


def test_the_pip_section_installs_the_kit_as_pinned_with_torch_from_pypi():
    constraint, torch, kit = SECTION["pip"]
    assert constraint == "-c constraints.txt" and torch == "torch"
    extras = re.fullmatch(r"-e \.\[(.*)\]", kit)[1].split(",")
    assert set(extras) == {"batch", "test"} <= set(EXTRAS)
    # The CPU build, where its index is offered, is a newer version of the pinned one.
    (pin,) = PINS["torch"].specifier
    assert Version(f"{pin.version}+cpu") > Version(pin.version)
    assert f"{pin.version}+cpu" in PINS["torch"].specifier


def test_pip_finds_no_contradiction_among_the_pins():
    """Resolved from what is installed, without an index: pip would have nothing to install."""
    for requirement in map(Requirement, wanted()):
        try:
            importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{requirement.name} is not installed here; `make setup` installs it")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--no-index",
         "-c", str(ROOT / "constraints.txt"), *wanted()],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout
