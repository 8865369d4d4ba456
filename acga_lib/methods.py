"""The rows of the paper's tables, as data: what each method is, sees, and is trained on.

Everything that differs between two rows stands here; networks and training ask for no names.
"""

from dataclasses import dataclass

#: Where a method's training samples come from: the ReferIt set of still images, or A2D Sentences
#: (or whatever stands in its place).
REFERIT, A2D = "referit", "a2d"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of a training: its loss and its optimiser, as published.

    But for its length: every method trains for the epochs of the profile, in its batches, and a
    stage has the published share of them. (Gavrilyuk et al. trained 15k steps, Hu et al. 30k and
    18k and Li et al. 30k and 25k, both in batches of 10.)
    """

    share: float = 1.0  #: of the steps of the whole training
    resolutions: tuple[float, float, float] = (1.0, 1.0, 1.0)  #: weights of L^S, L^M, L^L (Eq. 16)
    background_weight: float = 1.0  #: of a background pixel in the loss
    #: what a cell of the small ground truth is: "interpolated" (Sec. 3.4), or "any": foreground
    #: as soon as one of its pixels is (Hu et al.'s code)
    coarse_truth: str = "interpolated"
    optimizer: str = "adam"  #: or "sgd", with momentum 0.9
    learning_rate: float = 5e-4
    weight_decay: float = 0.0  #: of the weights, not of biases
    #: after these fractions of the stage the learning rate is divided by 10
    divisions: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """One row of a table.

    For the network "acga", three switches make the rows of Table 3. `fusion`: Eq. 12 fuses the
    three responses ("+MRF"); without it, R^L alone is the answer. All rows have the three
    resolutions and their losses, because [6], which the Baseline modifies, has.
    `foreground_weight`: P of Eq. 15, 1.5 with "+WBCE" (Sec. 4.2), 1 without. `attention`: Eq. 3-9
    ("+ATT"); without it, the sentence is its maximum over words, repeated at every pixel and
    concatenated. Beside the network of [6], the row "gavrilyuk", the Baseline also has the text
    encoder and the training of ACGA: it is where the ablation starts, not [6] with one change. The
    row "dynamic" lies between them: [6]'s convolutions with that text encoder and that training.
    """

    name: str
    title: str
    network: str  #: "acga", "dynamic", "gavrilyuk", "hu", "li", or "two_stream"
    modality: str = "rgb"  #: features: "rgb" or "flow" of a clip, "image" of the annotated frame
    fusion: bool = False
    foreground_weight: float = 1.0
    attention: bool = False
    trained_on: str = A2D
    stages: tuple[Stage, ...] = ()
    starts_from: str = ""  #: method whose trained weights this one continues ("fine-tuned")
    #: "two_stream": the methods whose responses are fused, RGB first; it is not trained itself
    streams: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The methods that must be trained before this one."""
        return (self.starts_from,) if self.starts_from else self.streams

    @property
    def needs_referit(self) -> bool:
        """Whether ReferIt is among the data that the method's training rests on."""
        before = any(METHODS[name].needs_referit for name in self.needs)
        return self.trained_on == REFERIT or before

    @property
    def reads(self) -> str:
        """How the method reads a sentence: as word "vectors", or as "numbers" of a vocabulary."""
        return "numbers" if self.network in ("hu", "li") else "vectors"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the features that the method reads, RGB first."""
        return tuple(METHODS[name].modality for name in self.streams) or (self.modality,)


#: Sec. 4.2: Adam, 5e-4, divided by 10 after 8 of 12 epochs.
_ACGA = (Stage(learning_rate=5e-4, divisions=(2 / 3,)),)
#: Adam, 1e-3, divided by 10 every 5k of 15k iterations; the logistic loss at all resolutions.
_GAVRILYUK = (Stage(learning_rate=1e-3, divisions=(1 / 3, 2 / 3)),)
#: SGD on the coarse response, 30k steps, then on the upsampled one, 18k, with weaker background.
_HU = (
    Stage(
        share=5 / 8, resolutions=(1.0, 0.0, 0.0), coarse_truth="any", optimizer="sgd",
        learning_rate=0.01, weight_decay=5e-4, divisions=(1 / 3, 2 / 3),
    ),
    Stage(
        share=3 / 8, resolutions=(0.0, 0.0, 1.0), background_weight=1 / 3, optimizer="sgd",
        learning_rate=0.01, weight_decay=5e-4, divisions=(1 / 3, 2 / 3),
    ),
)  # fmt: skip
#: The same two stages, 30k and 25k steps, with Adam at fixed rates. Caffe sums the loss over the
#: pixels of the response where we take their mean, so against ours its decay of 5e-4 is as much
#: weaker as there are pixels.
_LI = (
    Stage(
        share=6 / 11, resolutions=(1.0, 0.0, 0.0), coarse_truth="any", learning_rate=1e-3,
        weight_decay=5e-4 / 16**2,
    ),
    Stage(
        share=5 / 11, resolutions=(0.0, 0.0, 1.0), learning_rate=1e-4,
        weight_decay=5e-4 / 512**2,
    ),
)  # fmt: skip

METHODS = {
    method.name: method
    for method in (
        MethodConfig(
            name="hu", title="Hu et al. 2016", network="hu", modality="image",
            trained_on=REFERIT, stages=_HU,
        ),
        MethodConfig(
            name="li", title="Li et al. 2017", network="li", modality="image",
            trained_on=REFERIT, stages=_LI,
        ),
        MethodConfig(
            name="hu_finetuned", title="Hu et al. 2016 *", network="hu", modality="image",
            stages=_HU, starts_from="hu",
        ),
        MethodConfig(
            name="li_finetuned", title="Li et al. 2017 *", network="li", modality="image",
            stages=_LI, starts_from="li",
        ),
        MethodConfig(
            name="gavrilyuk", title="Gavrilyuk et al. 2018 (RGB)", network="gavrilyuk",
            stages=_GAVRILYUK,
        ),
        MethodConfig(
            name="gavrilyuk_flow", title="Gavrilyuk et al. 2018 (Flow)", network="gavrilyuk",
            modality="flow", stages=_GAVRILYUK,
        ),
        MethodConfig(
            name="gavrilyuk_two_stream", title="Gavrilyuk et al. 2018 (RGB + Flow)",
            network="two_stream", streams=("gavrilyuk", "gavrilyuk_flow"),
        ),
        # Between [6] and the Baseline: [6]'s convolutions; the text encoder and training of ACGA.
        MethodConfig(
            name="dynamic", title="Baseline, dynamic convolution", network="dynamic",
            stages=_ACGA,
        ),
        MethodConfig(name="baseline", title="Baseline", network="acga", stages=_ACGA),
        MethodConfig(
            name="mrf", title="Baseline + MRF", network="acga", fusion=True, stages=_ACGA
        ),
        MethodConfig(
            name="mrf_wbce", title="Baseline + MRF + WBCE", network="acga", fusion=True,
            foreground_weight=1.5, stages=_ACGA,
        ),
        MethodConfig(
            name="acga", title="Baseline + MRF + WBCE + ATT", network="acga", fusion=True,
            foreground_weight=1.5, attention=True, stages=_ACGA,
        ),
        MethodConfig(
            name="acga_flow", title="ACGA (Flow)", network="acga", modality="flow", fusion=True,
            foreground_weight=1.5, attention=True, stages=_ACGA,
        ),
        MethodConfig(
            name="acga_two_stream", title="ACGA (RGB + Flow)", network="two_stream",
            streams=("acga", "acga_flow"),
        ),
    )
}  # fmt: skip
