"""Files and arrays give what the command line gives, wherever and however they lie."""

import json

import nibabel as nib
import numpy as np
import pleura
import pytest

NAMES = {"lungs", "normnet", "normnet_prob", "infnet", "infnet_prob"}
#: The command line's options for the fixture `quick`.
QUICK = ("--model", "infnet", "--looks", "1", "--lungs-by", "threshold", "--device", "cpu")


def assert_same(a: pleura.Segmentation, b: pleura.Segmentation) -> None:
    assert a.masks.keys() == b.masks.keys()
    for name, mask in a.masks.items():
        np.testing.assert_array_equal(mask, b.masks[name], err_msg=name)


def without_times(report: dict) -> dict:
    provenance = {**report["provenance"], "timings": None}
    return {**report, "provenance": provenance}


def test_both_networks_as_on_the_command_line(program, phantom, tmp_path):
    program("segment", phantom, "--out", tmp_path / "cli", "--device", "cpu")
    steps = []
    result = pleura.segment(
        phantom, device="cpu", progress=lambda part, text: steps.append((part, text))
    )
    assert result.case == "chest"
    assert result.masks.keys() == NAMES
    for name, mask in result.masks.items():
        file = nib.load(tmp_path / "cli" / f"chest_{name}.nii.gz")
        assert mask.dtype == np.uint8 and mask.flags.writeable
        np.testing.assert_array_equal(mask, np.asarray(file.dataobj), err_msg=name)
        np.testing.assert_allclose(result.affine, file.affine)
    assert result.infnet.any() and result.normnet.any(), "the phantom has lesions"

    report = json.loads((tmp_path / "cli" / "chest_report.json").read_text())
    assert without_times(result.report) == without_times(report)
    assert result.warnings == report["warnings"]

    # The same files, and those of masks byte for byte.
    saved = result.save(tmp_path / "saved")
    assert [path.name for path in saved[-2:]] == ["chest_report.json", "chest_run.json"]
    theirs = {path.name for path in (tmp_path / "cli").iterdir()}
    assert {path.name for path in saved} == theirs
    assert {path.name for path in (tmp_path / "saved").iterdir()} == theirs
    for path in saved[:-2]:
        assert path.read_bytes() == (tmp_path / "cli" / path.name).read_bytes(), path.name

    run = json.loads((tmp_path / "cli" / "chest_run.json").read_text())
    for key in ("input", "options", "models", "masks"):
        assert result.run[key] == run[key], key
    assert sorted(json.loads(saved[-1].read_text())["files"]) == sorted(run["files"])

    parts = [part for part, _ in steps]
    assert parts == sorted(parts) and parts[0] == 0 and 0.9 < parts[-1] <= 1
    texts = " ".join(text for _, text in steps)
    assert "lungs" in texts and "NormNet" in texts and "Inf-Net" in texts


def test_report_counts_the_masks(straight):
    voxel_ml = abs(np.linalg.det(straight.affine[:3, :3])) / 1000

    def count(mask):  # The report has three digits after the point.
        return pytest.approx(mask.sum() * voxel_ml, abs=6e-4)

    both, left = straight.report["both"], straight.report["left"]
    assert both["lung_ml"] == count(straight.lungs > 0)
    assert left["lung_ml"] == count(straight.lungs == 2)
    infnet = both["infnet"]
    assert infnet["lesion"]["ml"] == count(straight.infnet > 0)
    assert infnet["consolidation"]["ml"] == count(straight.infnet == 2)
    percent = 100 * infnet["lesion"]["ml"] / both["lung_ml"]
    assert infnet["lesion"]["percent"] == pytest.approx(percent, abs=6e-4)
    assert both["normnet"] is None and straight.normnet is None


@pytest.mark.parametrize(
    "lie",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        lambda a: a.astype(">i2"),
        lambda a: a.astype(np.float64),
        lambda a: a.astype(np.float32)[::-1, :, ::-1][::-1, :, ::-1],
    ],
    ids=["C", "Fortran", "big-endian", "float64", "strides"],
)
def test_arrays_in_any_memory_order(quick, straight, hu, image, lie):
    result = quick.segment(lie(hu), image.affine, name="array")
    assert result.case == "array"
    assert_same(result, straight)
    np.testing.assert_array_equal(result.affine, image.affine)


def turned(image, hu, codes):
    """The voxels along other axes, each at its place."""
    start = nib.orientations.io_orientation(image.affine)
    way = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(codes))
    affine = image.affine @ nib.orientations.inv_ornt_aff(way, hu.shape)
    return nib.orientations.apply_orientation(hu, way), affine, way


@pytest.mark.parametrize("codes", ["RAS", "PSL", "IRA"])
def test_axes_turned_and_flipped(quick, straight, hu, image, codes):
    voxels, affine, way = turned(image, hu, codes)
    result = quick.segment(voxels, affine)
    assert result.infnet.shape == voxels.shape
    for name, mask in straight.masks.items():
        expected = nib.orientations.apply_orientation(mask, way)
        np.testing.assert_array_equal(result.masks[name], expected, err_msg=name)

    # The same millimetres.
    def place(found):
        return nib.affines.apply_affine(found.affine, np.argwhere(found.infnet)).mean(axis=0)

    np.testing.assert_allclose(place(result), place(straight), atol=1e-6)


def test_oblique_file_and_array_as_on_the_command_line(program, quick, hu, image, tmp_path):
    # Turned by 20° about the axis from head to foot, then by 15° about that from left to right.
    a, b = np.radians([20, 15])
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    affine = nib.affines.from_matvec(np.array(about_x) @ about_z) @ image.affine
    path = tmp_path / "oblique.nii"
    nib.save(nib.Nifti1Image(hu, affine), path)
    program("segment", path, "--out", tmp_path, *QUICK)
    from_file, from_array = quick.segment(path), quick.segment(hu, affine)
    assert from_file.infnet.any()
    assert_same(from_file, from_array)
    np.testing.assert_allclose(from_array.affine, affine)
    for name, mask in from_file.masks.items():
        theirs = nib.load(tmp_path / f"oblique_{name}.nii.gz")
        np.testing.assert_array_equal(mask, np.asarray(theirs.dataobj), err_msg=name)
        np.testing.assert_allclose(theirs.affine, affine, atol=1e-4)


def test_other_formats_open(quick, straight, hu, image, tmp_path):
    # MetaImage is LPS, and has no scaling.
    lps = np.diag([-1, -1, 1]) @ image.affine[:3]
    spacing = nib.affines.voxel_sizes(image.affine)
    header = {
        "NDims": "3",
        "DimSize": " ".join(map(str, hu.shape)),
        "ElementType": "MET_SHORT",
        "TransformMatrix": " ".join(str(v) for v in (lps[:, :3] / spacing).T.ravel()),
        "Offset": " ".join(str(v) for v in lps[:, 3]),
        "ElementSpacing": " ".join(map(str, spacing)),
        "ElementDataFile": "LOCAL",
    }
    path = tmp_path / "chest.mha"
    text = "".join(f"{key} = {value}\n" for key, value in header.items())
    path.write_bytes(text.encode() + hu.astype("<i2").tobytes(order="F"))
    result = quick.segment(path)
    assert result.case == "chest"
    assert_same(result, straight)
    # A folder is searched for the one scan in it.
    assert_same(quick.segment(str(tmp_path)), straight)


def test_lungs_that_are_given(quick, straight, phantom, hu, image):
    file = phantom.with_name("chest_lungs_truth.nii.gz")
    mask = np.asarray(nib.load(file).dataobj)
    by_file = quick.segment(phantom, lungs=file)
    np.testing.assert_array_equal(by_file.lungs, mask)
    assert not np.array_equal(mask, straight.lungs)
    assert_same(quick.segment(hu, image.affine, lungs=np.ascontiguousarray(mask)), by_file)
