"""Run configurations: names that do not exist are refused with the ones that do."""

import json

import pytest

from acga_lib.config import ROOT, RunConfig, run_config
from acga_lib.errors import ConfigError
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES, Profile


@pytest.mark.parametrize(
    ("parameters", "listed"),
    [
        ({"method": "agca"}, METHODS),
        ({"profile": "huge"}, PROFILES),
        ({"dataset": "A2D"}, ("toy", "a2d")),
        ({"sede": 1}, ("seed", "method", "shuffle_queries")),
    ],
)
def test_an_unknown_name_is_refused_with_the_list_of_valid_ones(parameters, listed):
    with pytest.raises(ConfigError) as raised:
        run_config(**{"method": "acga"} | parameters)
    wrong = next(iter(parameters)) if "sede" in parameters else next(iter(parameters.values()))
    assert f"'{wrong}'" in str(raised.value)
    assert all(name in str(raised.value) for name in listed)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, None])
def test_a_seed_is_a_whole_number_from_0(seed):
    with pytest.raises(ConfigError, match="seed must be a whole number"):
        run_config(method="acga", seed=seed)


@pytest.mark.parametrize("shuffle", ["false", 1, None])
def test_a_switch_given_as_text_is_not_taken_for_true(shuffle):
    with pytest.raises(ConfigError, match="shuffle_queries must be true or false"):
        run_config(method="acga", shuffle_queries=shuffle)


def test_the_embedded_data_has_its_own_folder_and_no_other(tmp_path):
    assert run_config(method="acga").root == ROOT / "data" / "benchmark" / "a2d-16-8"
    for dataset, root in (("toy", str(tmp_path)), ("a2d", "")):
        with pytest.raises(ConfigError, match="data_root"):
            run_config(method="acga", dataset=dataset, data_root=root)


def test_every_choice_has_its_own_run_id():
    choices = [
        {}, {"method": "mrf"}, {"profile": "toy"}, {"seed": 1}, {"shuffle_queries": True},
        {"dataset": "a2d", "data_root": "somewhere"},
        {"dataset": "a2d", "data_root": "elsewhere"},
    ]  # fmt: skip
    ids = {run_config(**{"method": "acga"} | choice).run_id for choice in choices}
    assert len(ids) == len(choices)
    assert RunConfig(method="acga").run_id == "toy-quick-acga-s0"


def test_a_description_survives_json_and_does_not_say_where_the_data_lies(tmp_path):
    config = run_config(method="mrf", dataset="a2d", data_root=str(tmp_path / "real_pairs"))
    described = config.describe()
    assert json.loads(json.dumps(described)) == described
    assert str(tmp_path) not in json.dumps(described) and described["data"] == "real_pairs"
    assert described["method"]["foreground_weight"] == 1.0
    assert described["profile"]["side"] == PROFILES["quick"].networks.side


def test_the_profiles_of_committed_records_are_read_without_a_loss():
    for path in sorted((ROOT / "results" / "runs").glob("*.json")):
        kept = json.loads(path.read_text())["config"]["profile"]
        found = Profile.from_record(kept)
        assert json.loads(json.dumps(found.record())) == kept
        assert found.networks.side == kept["side"] and found.training.epochs == kept["epochs"]


def test_a_field_that_a_profile_does_not_have_is_named():
    with pytest.raises(ConfigError, match="sidd"):
        PROFILES["toy"].changed(sidd=64)
    lacking = PROFILES["toy"].record()
    del lacking["epochs"]
    with pytest.raises(ConfigError, match="epochs"):
        Profile.from_record(lacking)
