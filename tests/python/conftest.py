"""A piece of the phantom, and what the command line makes of it."""

import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pleura
import pytest

#: Height of the phantom's piece in mm: eight slices.
PIECE_MM = "20"


@pytest.fixture(scope="session")
def program():
    """Runs the command line."""
    binary = os.environ["PLEURA_BIN"]

    def run(*arguments):
        subprocess.run([binary, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    return run


@pytest.fixture(scope="session")
def phantom(program, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "chest.nii.gz"
    program("phantom", "--out", path, "--piece", PIECE_MM)
    return path


@pytest.fixture(scope="session")
def quick() -> pleura.Engine:
    """Inf-Net alone, one look a slice, on the lungs of the threshold."""
    return pleura.Engine(model="infnet", looks=1, lungs_by="threshold", device="cpu")


@pytest.fixture(scope="session")
def straight(quick, phantom) -> pleura.Segmentation:
    """What the quick engine makes of the phantom's file."""
    return quick.segment(phantom)


@pytest.fixture(scope="session")
def image(phantom) -> nib.Nifti1Image:
    return nib.load(phantom)


@pytest.fixture(scope="session")
def hu(image) -> np.ndarray:
    """Voxels as int16, as they lie in the file."""
    return np.asarray(image.dataobj).astype(np.int16)
