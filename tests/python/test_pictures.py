"""A slice as a picture: an array, a file, the command line."""

import json

import numpy as np
import pleura
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def picture(hu) -> np.ndarray:
    """The middle slice in the lung window, as it is seen on a monitor: [row, column]."""
    plane = hu[:, :, hu.shape[2] // 2].T.astype(float)
    grey = np.clip((plane + 1350) / 1500, 0, 1) * 255
    # Not square, so that rows and columns cannot be confused.
    return grey.round().astype(np.uint8)[20:]


def test_picture_as_array_and_file(program, picture, tmp_path):
    path = tmp_path / "slice.png"
    Image.fromarray(picture).save(path)
    program("segment", path, "--out", tmp_path, "--device", "cpu")
    engine = pleura.Engine(device="cpu")
    from_file, from_array = engine.segment(path), engine.segment(picture, name="slice")
    for found in (from_file, from_array):
        assert found.masks.keys() == {"infnet", "infnet_prob"}
        assert found.affine is None and found.report is None and found.lungs is None
        assert found.infnet.shape == picture.shape
        for name, file in (("infnet", "classes"), ("infnet_prob", "infnet")):
            theirs = np.asarray(Image.open(tmp_path / f"slice_{file}.png"))
            np.testing.assert_array_equal(getattr(found, name), theirs, err_msg=name)
    assert set(np.unique(from_array.infnet)) - {0}, "the slice has a lesion"
    *masks, run = from_array.save(tmp_path / "saved")
    for path in masks:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    theirs = json.loads((tmp_path / "slice_run.json").read_text())
    ours = json.loads(run.read_text())
    assert ours["masks"] == theirs["masks"] and sorted(ours["files"]) == sorted(theirs["files"])
    # A picture in memory is not the file that it could be read from.
    assert from_file.run["input"]["sha256"] == theirs["input"]["sha256"] != ours["input"]["sha256"]
    # A column-major view is the same picture.
    view = engine.segment(np.asfortranarray(picture))
    np.testing.assert_array_equal(view.infnet_prob, from_array.infnet_prob)


def test_pictures_that_are_none(quick, picture):
    with pytest.raises(ValueError, match="neither affine nor lungs"):
        quick.segment(picture, np.eye(4))
    with pytest.raises(pleura.InputError, match="0 × 4 pixels"):
        quick.segment(np.zeros((4, 0), np.uint8))
    colour = np.stack([picture] * 3, axis=-1)
    with pytest.raises(pleura.InputError, match="2D array of grey"):
        quick.segment(colour)
