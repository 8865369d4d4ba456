"""Further sentences of the embedded benchmark: other wordings, and sentences true of nobody."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from helpers.sentence_reader import Where, fits, read

from acga_lib.benchmark.language.rewording import negatives, paraphrases
from acga_lib.benchmark.language.sentences import describe
from acga_lib.benchmark.writing.scenes import planned_tracks, sample_scene
from acga_lib.datasets.a2d_lists import read_negatives, read_paraphrases
from acga_lib.errors import DataError, QueryError


@pytest.mark.parametrize("index", range(0, 400, 5))
def test_paraphrases_fit_their_instance_and_negatives_fit_nobody(index: int) -> None:
    draft = sample_scene(seed=3, split="test", index=index)
    tracks = planned_tracks(draft.scene)
    sentences = describe(draft.scene, tracks, cues=draft.cues, seed=draft.scene.seed)
    assert sentences is not None
    rows = [
        {"actor": one.actor, "action": one.action, "color": one.color, "pattern": one.pattern}
        for one in draft.scene.instances
    ]
    where = [Where(track.x, track.y, track.box) for track in tracks]

    def fitting(text: str) -> list[int]:
        return [i for i in range(len(rows)) if fits(read(text), i, rows, where)]

    for sentence in sentences:
        others = paraphrases(draft.scene, tracks, sentence)
        assert len({sentence.text.lower(), *map(str.lower, others)}) == 4
        for text in others:
            assert fitting(text) == [sentence.instance], f"{text!r} of {rows}"
    false = negatives(draft.scene, tracks, sentences)
    assert len(set(false)) == len(sentences)
    for text in false:
        assert fitting(text) == [], f"{text!r} of {rows}"


def test_only_test_videos_have_further_sentences_and_they_are_read_back(toy_root: Path) -> None:
    texts = toy_root / "text_annotations"
    with (texts / "a2d_annotation.txt").open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[0].startswith("toytest")]
    told = read_paraphrases(texts / "paraphrases.csv")
    assert set(told) == {(video, int(instance)) for video, instance, _ in rows}
    assert {len(queries) for queries in told.values()} == {3}
    false = read_negatives(texts / "negatives.csv")
    assert {video: len(queries) for video, queries in false.items()} == Counter(r[0] for r in rows)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("video_id,instance_id,query\nv,0,a dog,x\n", DataError, "line 2"),
        ("video_id,instance_id,query\nv,zero,a dog\n", DataError, "'zero' is not an instance"),
        ("video_id,instance_id,query\nv,0,a dog\nv,0, \n", QueryError, "line 3.*empty"),
    ],
)
def test_a_bad_row_of_the_paraphrases_is_named(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(error, match=rf"p\.csv, .*{message}"):
        read_paraphrases(tmp_path / "p.csv")
