"""Parameters as people give them: what is meant is taken, anything else is refused by name."""

import unicodedata
from pathlib import Path

import pytest

from acga_lib.config import RunConfig, run_config
from acga_lib.errors import ConfigError
from acga_lib.parameters import data_name, parse_parameter, parse_parameters
from acga_lib.profiles import PROFILES, Profile


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("my data", "my_data"), ("a{b}", "a_b_"), ("daten ä (1)", "daten_ä__1_"),
        ("a[b]*", "a_b__"),
        ("x'; touch pwned; '", "x___touch_pwned___"), ("$(id)", "__id_"), ("a,b|c", "a_b_c"),
        ("2017", "2017"), ("A2D-v1.2+", "A2D-v1.2+"), (unicodedata.normalize("NFD", "ä"), "ä"),
    ],
)  # fmt: skip
def test_a_folders_name_becomes_one_that_means_nothing_to_shells_and_links(tmp_path, name, called):
    assert data_name(str(tmp_path / name)) == called
    run = RunConfig(method="acga", dataset="a2d", data_root=tmp_path / name)
    assert run.run_id == f"{called}-quick-acga-s0" and run.root == tmp_path / name


@pytest.mark.parametrize("name", ["toy", "TOY", "x" * 200, "a\nb", "\udcff", "/", "a\0b"])
def test_a_name_that_is_taken_or_that_no_file_can_carry_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"data_root"):
        run_config(method="acga", dataset="a2d", data_root=str(tmp_path / name))


def test_the_home_folder_is_found_where_no_shell_expanded_it(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert run_config(method="acga", dataset="a2d", data_root="~/a2d").root == Path(
        "/somewhere/a2d"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"data_root": 2017, "dataset": "a2d"}, {"referit_root": ["a"]}, {"data_root": b"a"},
        {"method": ["acga"]}, {"method": None}, {"profile": {"name": "toy"}}, {"dataset": 1},
        {"variant": 0}, {"variant": None}, {"seed": 10**19}, {"seed": 2**32}, {"seed": [1]},
    ],
)  # fmt: skip
def test_a_parameter_of_another_type_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        run_config(**{"method": "acga"} | wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", "112"), ("side", True), ("frames", None), ("trunk_width", "1"), ("epochs", 1.5),
     ("by_frame", 1), ("trunk", 7), ("referit_images", [1]), ("referit_images", 3),
     ("side", 10**9), ("trunk_width", 1e30), ("head_width", float("nan")), ("epochs", -1)],
)  # fmt: skip
def test_a_profile_with_a_field_of_another_type_is_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        Profile.from_record(PROFILES["toy"].record() | {field: value})


@pytest.mark.parametrize("given", ["2017", "007", "1e3", "true", "null", '"2017"'])
def test_what_is_text_stays_text_on_a_command_line(given):
    assert parse_parameter(f"data_root={given}", texts=["data_root"])[1] == given.strip('"')
    assert parse_parameter("seed=3", texts=["data_root"]) == ("seed", 3)
    assert parse_parameter("seed=" + "[" * 10**5) == ("seed", "[" * 10**5)


def test_parameters_are_numbers_switches_or_text():
    found = parse_parameters(["a=1", "b=1e-4", "c=true", "d=acga", "e=", 'f="1"'])
    assert found == {"a": 1, "b": 1e-4, "c": True, "d": "acga", "e": "", "f": "1"}
    with pytest.raises(ConfigError, match="name=value"):
        parse_parameter("seed")
