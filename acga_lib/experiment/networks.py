"""From a row of a table to its network, at the size of a profile."""

from torch import nn

from acga_lib.baselines import Gavrilyuk, Hu, Li, TwoStream, WordPairs
from acga_lib.config import data_file
from acga_lib.files.word_files import load_large
from acga_lib.i3d import scaled
from acga_lib.methods import METHODS, MethodConfig
from acga_lib.model import ACGA, TextEncoder
from acga_lib.profiles import PROFILES, PUBLISHED_VECTORS, Profile
from acga_lib.text import WORD_DIM, Vocabulary, WordVectors


def build_network(method: MethodConfig, profile: Profile) -> nn.Module:
    """The network of `method` with freshly drawn weights.

    (features [U, ...], words [B, ...], clips [B] or None) -> `Responses`, as of `ACGA`.
    """
    size = profile.networks
    width, vision_length = size.width_of(method.modality), size.vision_length
    match method.network:
        case "acga":
            return ACGA(
                method, trunk_width=width, head_width=size.head_width, vision_length=vision_length
            )
        case "gavrilyuk" | "dynamic":
            text = WordPairs(WORD_DIM) if method.network == "gavrilyuk" else TextEncoder(WORD_DIM)
            hidden = scaled(256, size.head_width), scaled(128, size.head_width)
            return Gavrilyuk(text, trunk_width=width, hidden=hidden, vision_length=vision_length)
        case "hu" | "li":
            # No trunk is in them: their LSTM is made as much smaller as the other methods' trunk.
            image, sentence = scaled(1000, size.image_width), scaled(1000, size.trunk_width)
            words = len(Vocabulary.load())
            if method.network == "li":
                return Li(words, image=image, sentence=sentence)
            return Hu(words, image=image, sentence=sentence, hidden=scaled(500, size.trunk_width))
        case "two_stream":
            return TwoStream([build_network(METHODS[name], profile) for name in method.streams])
    raise ValueError(f"method '{method.name}' names an unknown network '{method.network}'")


def reader_of(method: MethodConfig, profile: Profile) -> WordVectors | Vocabulary:
    """How the method reads sentences: frozen word vectors, or numbers of a vocabulary.

    Raises DataError where the profile's word vectors are missing or damaged.
    """
    if method.reads == "numbers":
        return Vocabulary.load()
    if profile.networks.trunk == PROFILES["paper"].networks.trunk:
        return load_large(data_file("word_vectors", PUBLISHED_VECTORS))
    return WordVectors.load()
