"""The ReferIt-like benchmark: expressions without actions, each true of one instance."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.sentence_reader import VERBS, Where, fits, read

from acga_lib.benchmark.language import lexicon
from acga_lib.benchmark.language.referit_lexicon import REFERIT
from acga_lib.benchmark.world.palette import OTHER_SPLITS, SPLITS, variants
from acga_lib.benchmark.world.scene import COLORS
from acga_lib.benchmark.writing.referit_like import generate_referit_like, render_image
from acga_lib.datasets import open_dataset
from acga_lib.errors import ConfigError, DataError
from acga_lib.text import WordVectors

SIZES = {"train_images": 6, "test_images": 3}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills") / "referit"
    generate_referit_like(folder, **SIZES, seed=4, workers=1, progress=False)
    return folder


def where(mask: np.ndarray) -> Where:
    """Where an instance is, from its mask bool [H, W]."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    box = np.array([[columns.min()], [rows.min()], [columns.max()], [rows.max()]]) / height
    return Where(np.array([columns.mean() / width]), np.array([rows.mean() / height]), box)


def test_expressions_fit_exactly_one_instance_and_their_cues_balance() -> None:
    cues: Counter[str] = Counter()
    for index in range(90):
        shown = render_image(seed=1, split="train", index=index)
        places = [where(mask) for mask in shown.masks]
        rows = [
            {"actor": one.actor, "action": one.action, "color": one.color, "pattern": one.pattern}
            for one in shown.scene.instances
        ]
        assert 2 <= len(rows) <= 4
        for instance, sentences in enumerate(shown.sentences):
            assert 1 <= len({sentence.text.lower() for sentence in sentences}) <= 3
            for sentence in sentences:
                cues[sentence.cue] += 1
                claims = read(sentence.text)
                found = [i for i in range(len(rows)) if fits(claims, i, rows, places)]
                assert found == [instance], f"{sentence.text!r} of {rows}"
    assert set(cues) == {"actor", "attribute", "place", "relation"}
    shares = {cue: count / cues.total() for cue, count in cues.items()}
    assert all(0.15 < share < 0.35 for share in shares.values()), shares


def test_no_expression_can_say_what_somebody_does_and_every_word_has_a_vector() -> None:
    vectors = WordVectors.load()
    words = lexicon.words(REFERIT)
    actions = {word for said in VERBS.values() for word in said.split()}
    assert not words & actions and not [word for word in words if word.endswith("ing")]
    assert not [template for kind in REFERIT.templates.values() for template in kind
                if "{v}" in template]  # fmt: skip
    assert [word for word in words if word not in vectors] == []


def test_the_files_are_read_as_published(root: Path) -> None:
    for split, count in (("train", 6), ("test", 3)):
        dataset = open_dataset("referit", root=root, split=split)
        dataset.check()
        assert len({sample.video_id for sample in dataset}) == count
        for sample in dataset:
            assert sample.cue in ("actor", "attribute", "place", "relation")
            assert sample.actor and sample.color and sample.action is None
            assert 40 <= sample.mask().sum() < 0.5 * sample.height * sample.width
            assert sample.query == sample.query.lower()


def test_train_and_test_share_no_image_and_no_exact_colour(root: Path) -> None:
    names = [
        {sample.video_id for sample in open_dataset("referit", root=root, split=split)}
        for split in ("train", "test")
    ]
    assert not names[0] & names[1]
    scenes = [render_image(seed=4, split=split, index=0).scene for split in ("train", "test")]
    assert scenes[0].seed != scenes[1].seed
    for color in COLORS:
        pools = [variants(color, split) for split in (*SPLITS, *OTHER_SPLITS)]
        assert len(set().union(*pools)) == sum(map(len, pools)) and min(map(len, pools)) >= 10


def test_equal_parameters_give_equal_bytes_and_others_are_refused(
    root: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    generate_referit_like(again, **SIZES, seed=4, workers=2, progress=False)
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    assert all((root / file).read_bytes() == (again / file).read_bytes() for file in files)
    expressions = json.loads((root / "data" / "referit_query_test.json").read_text())
    next(iter(expressions.values())).append("another one")
    (again / "data" / "referit_query_test.json").write_text(json.dumps(expressions))
    with pytest.raises(DataError, match="changed since"):
        generate_referit_like(again, **SIZES, seed=4, progress=False)
    with pytest.raises(ConfigError, match="-1 test images"):
        generate_referit_like(again, train_images=1, test_images=-1, seed=4, progress=False)
