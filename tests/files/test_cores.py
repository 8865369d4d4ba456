"""How many cores a process may use: never more than it is bound to or its container is given."""

import os

import pytest

from acga_lib.files import cores


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 16), ("400000 100000", 4), ("150000 100000", 1), ("50000 100000", 1),
     ("9900000 100000", 16), ("", 16)],
)  # fmt: skip
def test_the_smaller_of_the_binding_and_the_quota_counts(quota, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    if quota:
        cores.QUOTA.write_text(quota + "\n")
    assert cores.usable_cores() == expected
