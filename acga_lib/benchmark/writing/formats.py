"""Writers of single files: H.264 clips, and masks as A2D, J-HMDB and ReferIt store them."""

from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

FRAME_RATE = 24
MAT_HEADER = b"MATLAB 5.0 MAT-file"


def write_annotation(path: Path, masks: np.ndarray) -> None:
    """Write one annotated frame, masks bool [K,H,W], all of them visible, as A2D does.

    MATLAB's axis order: `reMask` is [K,W,H] (a single mask [W,H]) and `reBBox` [4,K], rows left,
    top, right, bottom in pixels, the last ones included. `instance` [K] counts from 0.
    """
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        boxes.append((columns.min(), rows.min(), columns.max(), rows.max()))
    stored = masks.transpose(0, 2, 1).astype(np.uint8)
    with h5py.File(path, "w") as file:
        file["instance"] = np.arange(len(masks), dtype=np.int64)
        file["reBBox"] = np.array(boxes, dtype=np.float64).T
        file.create_dataset(
            "reMask", data=stored[0] if len(stored) == 1 else stored, compression="gzip"
        )


def write_mat(path: Path, key: str, array: np.ndarray) -> None:
    """Write one array as a MATLAB file whose bytes depend on nothing but its content."""
    buffer = BytesIO()
    savemat(buffer, {key: array}, do_compression=True)
    # The first 116 bytes are a free text, in which scipy puts the time of writing.
    path.write_bytes(MAT_HEADER.ljust(116) + buffer.getvalue()[116:])
