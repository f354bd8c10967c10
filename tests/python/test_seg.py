"""DICOM segmentations, as the libraries and tools that people read them with see them.

The program segments the phantom, written as DICOM in every way that a series may lie, and what
pydicom, highdicom and dcmqi find in its segmentations is held against its NIfTI masks in mm.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from highdicom._standard_utils import check_required_attributes, get_iod_module_map
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
)

#: From NIfTI's RAS to DICOM's LPS.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Voxels may lie so far beside each other: NIfTI keeps its affine in single precision.
MM = 1e-3
#: dcmqi's program, which lies beside Python in an environment of its own.
SEGIMAGE2ITKIMAGE = Path(sys.executable).with_name("segimage2itkimage")
MASKS = ("lungs", "normnet", "infnet")
STUDY, SERIES, FRAME = ("1.2.840.99999.7.1", "1.2.840.99999.7.2", "1.2.840.99999.7.3")


def pleura(*arguments):
    binary = os.environ["PLEURA_BIN"]
    subprocess.run([binary, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def to_nifti(seg, folder):
    """Has dcmqi write each segment into a file: 1.nii.gz and so on."""
    command = [SEGIMAGE2ITKIMAGE, "--inputDICOM", seg, "-t", "nifti", "--outputDirectory", folder]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


# --- The scan as DICOM -------------------------------------------------------------------------


def turned(x_degrees, z_degrees):
    (s, c), (t, d) = ((np.sin(a), np.cos(a)) for a in np.radians([x_degrees, z_degrees]))
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    about_z = np.array([[d, -t, 0], [t, d, 0], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3] = about_z @ about_x
    return out


def flipped(hu, affine, axis):
    """The same scan with an axis turned round."""
    way = np.eye(4)
    way[axis, axis], way[axis, 3] = -1, hu.shape[axis] - 1
    return np.flip(hu, axis), affine @ way


def stored(hu, affine, name):
    """Voxels, and the way from them to LPS mm, as a series of this name has them."""
    affine = LPS @ affine
    if name == "flipped":
        for axis in range(3):
            hu, affine = flipped(hu, affine, axis)
    elif name == "coronal":
        order = [0, 2, 1]
        hu, affine = hu.transpose(order), affine[:, [*order, 3]]
        hu, affine = flipped(hu, affine, 1)
    elif name == "oblique":
        affine = turned(8, -5) @ affine
    elif name == "tilted":
        shear = np.eye(4)
        shear[1, 2] = np.tan(np.radians(12))
        affine = shear @ affine
    return hu, affine


def common(hu, affine):
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName = "Müller^Jürgen"
    ds.PatientID = "0815"
    ds.PatientBirthDate = "19500228"
    ds.PatientSex = "O"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, SERIES, FRAME
    ds.StudyDate, ds.StudyTime = "20200331", "101112.5"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "S1", "A1", "Ärztin^Ada"
    ds.PositionReferenceIndicator = "XY"
    ds.Modality = "CT"
    ds.SeriesNumber, ds.InstanceNumber = 3, 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Columns, ds.Rows = hu.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    return ds


def plane(affine):
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    axes = (affine[:3, :2] / sizes[:2]).T.ravel()
    normal = np.cross(axes[:3], axes[3:])
    apart = abs(float(normal @ affine[:3, 2]))
    return ([short(a) for a in axes], [short(sizes[1]), short(sizes[0])], short(apart))


def place(affine, k):
    return [short(x) for x in (affine @ [0, 0, k, 1])[:3]]


def short(value):
    return f"{value:.10f}"[:16]


def pixels(hu, k):
    return np.ascontiguousarray(hu[:, :, k].T.astype("<i2")).tobytes()


def write(ds, path):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta = meta
    ds.save_as(path, enforce_file_format=True)


def write_series(folder, hu, affine, name):
    axes, spacing, apart = plane(affine)
    # Neither the names nor the numbers of the files say where they go.
    for n, k in enumerate(np.random.default_rng(7).permutation(hu.shape[2])):
        if name == "gap" and k == hu.shape[2] // 2:
            continue
        ds = common(hu, affine)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{SERIES}.{k + 1}"
        ds.InstanceNumber = int(n) + 1
        ds.ImagePositionPatient, ds.ImageOrientationPatient = place(affine, k), axes
        ds.PixelSpacing, ds.SliceThickness = spacing, apart
        ds.RescaleIntercept, ds.RescaleSlope = "0", "1"
        ds.PixelData = pixels(hu, k)
        write(ds, folder / f"IM{n:04}")


def write_enhanced(folder, hu, affine):
    axes, spacing, apart = plane(affine)
    ds = common(hu, affine)
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedCTImageStorage, f"{SERIES}.900"
    shared, measures, axial, scaling = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = spacing, apart
    axial.ImageOrientationPatient = axes
    scaling.RescaleIntercept, scaling.RescaleSlope, scaling.RescaleType = "0", "1", "HU"
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [axial]
    shared.PixelValueTransformationSequence = [scaling]
    ds.SharedFunctionalGroupsSequence = [shared]
    order = np.random.default_rng(8).permutation(hu.shape[2])
    groups = []
    for k in order:
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = place(affine, k)
        group.PlanePositionSequence = [position]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.NumberOfFrames = len(groups)
    ds.PixelData = b"".join(pixels(hu, k) for k in order)
    write(ds, folder / "enhanced.dcm")


# --- The analyses, each once --------------------------------------------------------------------

ONE_NETWORK = ("flipped", "coronal", "oblique", "tilted", "gap", "enhanced")
CASES = ("axial", *ONE_NETWORK)
REGULAR = ("axial", "flipped", "coronal", "oblique", "gap", "enhanced")


class Case:
    """A series and what the program made of it."""

    def __init__(self, name, folder, out):
        self.name, self.out = name, out
        files = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
        self.sources = {ds.SOPInstanceUID: ds for ds in files}

    def masks(self):
        return [m for m in MASKS if (self.out / f"{self.name}_{m}.nii.gz").exists()]

    def seg(self, mask):
        return hd.seg.segread(self.out / f"{self.name}_{mask}_seg.dcm")

    def nifti(self, mask):
        return nib.load(self.out / f"{self.name}_{mask}.nii.gz")


@pytest.fixture(scope="session")
def cases(tmp_path_factory):
    root = tmp_path_factory.mktemp("seg")
    chest, out = root / "chest.nii.gz", root / "out"
    pleura("phantom", "--out", chest, "--piece", "20")
    image = nib.load(chest)
    hu = np.asarray(image.dataobj).astype(np.int16)
    folders = {}
    for name in CASES:
        folders[name] = root / name
        folders[name].mkdir()
        voxels, affine = stored(hu, image.affine, name)
        if name == "enhanced":
            write_enhanced(folders[name], voxels, affine)
        else:
            write_series(folders[name], voxels, affine, name)
    quick = ("--device", "cpu", "--lungs-by", "threshold", "--looks", "1")
    pleura("segment", folders["axial"], "--out", out, *quick)
    others = [folders[name] for name in ONE_NETWORK]
    pleura("segment", *others, "--out", out, "--model", "infnet", *quick)
    return {name: Case(name, folders[name], out) for name in CASES}


@pytest.fixture(params=CASES)
def case(request, cases):
    return cases[request.param]


@pytest.fixture
def axial(cases):
    return cases["axial"]


def voxels_at(image, points):
    """Labels of a NIfTI mask at LPS points, which have to be the middles of voxels."""
    points = np.c_[points, np.ones(len(points))] @ LPS.T
    at = (points @ np.linalg.inv(image.affine).T)[:, :3]
    near = np.rint(at).astype(int)
    off = (at - near) @ image.affine[:3, :3].T
    assert np.abs(off).max() < MM, f"{np.abs(off).max()} mm beside a voxel"
    return np.asarray(image.dataobj)[tuple(near.T)]


def frames(seg):
    """Segment, LPS place of each pixel, and pixels of each frame, from the elements alone."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    rows, columns = np.mgrid[: seg.Rows, : seg.Columns]
    stack = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for pixels, group in zip(stack, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        points = (
            position
            + columns[..., None] * spacing[1] * axes[:3]
            + rows[..., None] * spacing[0] * axes[3:]
        )
        yield group.SegmentIdentificationSequence[0].ReferencedSegmentNumber, points, pixels, group


# --- What is in them ----------------------------------------------------------------------------


def test_there_is_one_for_each_mask(case):
    expected = set(MASKS) - ({"normnet"} if case.name != "axial" else set())
    assert set(case.masks()) == expected
    for mask in expected:
        assert case.seg(mask).SOPClassUID == SegmentationStorage
        assert np.count_nonzero(case.nifti(mask).dataobj) > 0, "the test would compare nothing"


def test_every_pixel_is_where_the_nifti_has_it(case):
    for mask in case.masks():
        image = case.nifti(mask)
        left = {n: int(np.count_nonzero(np.asarray(image.dataobj) == n)) for n in (1, 2)}
        for segment, points, pixels, _ in frames(case.seg(mask)):
            labels = voxels_at(image, points.reshape(-1, 3)).reshape(pixels.shape)
            assert np.array_equal(labels == segment, pixels == 1), f"{case.name} {mask}"
            left[segment] -= int(pixels.sum())
        assert set(left.values()) == {0}, "voxels without a frame"


def test_every_frame_names_the_slice_at_its_place(case):
    for mask in case.masks():
        seg = case.seg(mask)
        several = 0
        for _, points, _, group in frames(seg):
            sources = group.DerivationImageSequence[0].SourceImageSequence
            several += len(sources) == 2
            for item in sources:
                ds = case.sources[item.ReferencedSOPInstanceUID]
                assert item.ReferencedSOPClassUID == ds.SOPClassUID
                own = ds
                if case.name == "enhanced":
                    frame = ds.PerFrameFunctionalGroupsSequence[item.ReferencedFrameNumber - 1]
                    own = frame.PlanePositionSequence[0]
                else:
                    assert "ReferencedFrameNumber" not in item
                if len(sources) == 1:
                    text = [str(x) for x in own.ImagePositionPatient]
                    place = group.PlanePositionSequence[0].ImagePositionPatient
                    assert np.array_equal(np.array(text, float), np.array(place, float))
                    assert item.SpatialLocationsPreserved == "YES"
        segments = len(seg.SegmentSequence)
        assert several <= segments if case.name == "gap" else several == 0
        assert several > 0 or case.name != "gap" or mask != "lungs"
        referenced = seg.ReferencedSeriesSequence[0]
        assert referenced.SeriesInstanceUID == SERIES
        uids = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
        assert uids == set(case.sources)


@pytest.mark.parametrize("name", REGULAR)
def test_highdicom_makes_the_same_volume(cases, name):
    case = cases[name]
    for mask in case.masks():
        volume = case.seg(mask).get_volume(combine_segments=True)
        at = np.argwhere(np.ones(volume.spatial_shape, bool))
        points = np.c_[at, np.ones(len(at))] @ volume.affine.T
        labels = voxels_at(case.nifti(mask), points[:, :3]).reshape(volume.spatial_shape)
        assert np.array_equal(labels, volume.array)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("gap", "enhanced")])
def test_highdicom_finds_pixels_by_their_source(cases, name):
    case = cases[name]
    for mask in case.masks():
        seg, image = case.seg(mask), case.nifti(mask)
        for uid, ds in case.sources.items():
            found = seg.get_pixels_by_source_instance(
                [uid], combine_segments=True, assert_missing_frames_are_empty=True
            )[0]
            assert np.array_equal(found, slice_of(image, ds, ds)), f"{name} {mask} {uid}"


def test_highdicom_finds_pixels_by_their_source_frame(cases):
    case = cases["enhanced"]
    (uid, ds), = case.sources.items()
    shared = ds.SharedFunctionalGroupsSequence[0]
    measures = Dataset()
    measures.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
    measures.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    measures.Rows, measures.Columns = ds.Rows, ds.Columns
    for mask in case.masks():
        seg, image = case.seg(mask), case.nifti(mask)
        for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence, start=1):
            found = seg.get_pixels_by_source_frame(
                uid, [number], combine_segments=True, assert_missing_frames_are_empty=True
            )[0]
            position = group.PlanePositionSequence[0]
            assert np.array_equal(found, slice_of(image, measures, position)), number


def slice_of(image, plane, position):
    """The labels of a NIfTI mask on a source slice."""
    axes = np.array(plane.ImageOrientationPatient, float)
    spacing = np.array(plane.PixelSpacing, float)
    rows, columns = np.mgrid[: plane.Rows, : plane.Columns]
    points = (
        np.array(position.ImagePositionPatient, float)
        + columns[..., None] * spacing[1] * axes[:3]
        + rows[..., None] * spacing[0] * axes[3:]
    )
    return voxels_at(image, points.reshape(-1, 3)).reshape(plane.Rows, plane.Columns)


@pytest.mark.parametrize("name", REGULAR)
def test_dcmqi_reads_the_same(cases, name, tmp_path):
    case = cases[name]
    for mask in case.masks():
        out = tmp_path / mask
        out.mkdir()
        seg = case.out / f"{name}_{mask}_seg.dcm"
        to_nifti(seg, out)
        image = case.nifti(mask)
        found = 0
        # A file for each segment, also for one that no frame shows.
        files = sorted(out.glob("*.nii.gz"))
        assert len(files) == len(case.seg(mask).SegmentSequence)
        for label, path in enumerate(files, start=1):
            read = nib.load(path)
            marked = np.asarray(read.dataobj) != 0
            at = np.argwhere(np.ones(marked.shape, bool))
            points = np.c_[at, np.ones(len(at))] @ read.affine.T @ LPS.T
            labels = voxels_at(image, points[:, :3]).reshape(marked.shape)
            assert np.array_equal(labels == label, marked), f"{name} {path.name}"
            found += int(np.count_nonzero(marked))
        assert found == np.count_nonzero(image.dataobj)


def test_nothing_found_is_an_empty_frame(axial, tmp_path):
    """Lungs without what surrounds the lesions; the mask also shows who gave the lungs."""
    lungs, infnet = axial.nifti("lungs"), np.asarray(axial.nifti("infnet").dataobj)
    healthy = (np.asarray(lungs.dataobj) != 0).astype(np.uint8)
    marked = np.argwhere(infnet)[:, :2]
    (x0, y0), (x1, y1) = marked.min(axis=0) - 8, marked.max(axis=0) + 9
    healthy[x0:x1, y0:y1] = 0
    given = tmp_path / "healthy.nii.gz"
    nib.save(nib.Nifti1Image(healthy, lungs.affine, lungs.header), given)
    folder = axial.out.parent / "axial"
    quick = ("--device", "cpu", "--looks", "1", "--model", "infnet")
    pleura("segment", folder, "--out", tmp_path, "--lungs", given, *quick)
    found = nib.load(tmp_path / "axial_infnet.nii.gz")
    assert np.count_nonzero(found.dataobj) == 0, "the test looks at something else"
    path = tmp_path / "axial_infnet_seg.dcm"
    seg = hd.seg.segread(path)
    assert (seg.NumberOfFrames, len(seg.SegmentSequence)) == (1, 2)
    assert not seg.get_volume(combine_segments=True).array.any()
    to_nifti(path, tmp_path)
    for label in (1, 2):
        assert not np.asarray(nib.load(tmp_path / f"{label}.nii.gz").dataobj).any()
    for segment in hd.seg.segread(tmp_path / "axial_lungs_seg.dcm").SegmentSequence:
        assert segment.algorithm_type == hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC
        assert segment.algorithm_identification is None


# --- What they say ------------------------------------------------------------------------------


#: Functional groups of a frame, shared or its own.
MACROS = {
    "DerivationImageSequence",
    "FrameContentSequence",
    "PixelMeasuresSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
    "SegmentIdentificationSequence",
}


def test_required_attributes_are_there(case):
    groups = "segmentation-multi-frame-functional-groups"
    modules = get_iod_module_map()["segmentation"]
    modules = {module["key"] for module in modules if module["usage"] == "M"}
    for mask in case.masks():
        seg = pydicom.dcmread(case.out / f"{case.name}_{mask}_seg.dcm")
        for module in modules - {groups} | {"frame-of-reference", "common-instance-reference"}:
            check_required_attributes(seg, module)
        check_required_attributes(seg, groups, recursive=False)
        (shared,) = seg.SharedFunctionalGroupsSequence
        assert len(seg.PerFrameFunctionalGroupsSequence) == seg.NumberOfFrames
        for own in seg.PerFrameFunctionalGroupsSequence:
            # What is shared and what is a frame's own are the two halves of its groups.
            assert not set(shared.keys()) & set(own.keys())
            both = Dataset()
            both.update(shared)
            both.update(own)
            assert {element.keyword for element in both} == MACROS
            for macro in MACROS:
                path = ["PerFrameFunctionalGroupsSequence", macro]
                (item,) = both[macro].value
                check_required_attributes(item, groups, path)
        for element in seg.iterall():
            # pydicom judges a value when it is asked for.
            assert element.VM >= 0


def test_patient_and_study_are_those_of_the_scan(axial):
    source = next(iter(axial.sources.values()))
    for mask in axial.masks():
        seg = axial.seg(mask)
        for name in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "SpecificCharacterSet",
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "ReferringPhysicianName",
            "FrameOfReferenceUID",
            "PositionReferenceIndicator",
        ):
            assert seg[name].value == source[name].value, name
        assert str(seg.PatientName) == "Müller^Jürgen"
        assert seg.SeriesInstanceUID != source.SeriesInstanceUID


def test_identifiers_are_their_own_and_stay_the_same(axial, tmp_path):
    segs = [axial.seg(mask) for mask in axial.masks()]
    own = [uid for seg in segs for uid in (seg.SOPInstanceUID, seg.SeriesInstanceUID)]
    assert len(set(own)) == 2 * len(MASKS)
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in own)
    again = axial.out.parent / "axial"
    quick = ("--device", "cpu", "--lungs-by", "threshold", "--looks", "1", "--model", "infnet")
    pleura("segment", again, "--out", tmp_path, *quick)
    for mask in ("lungs", "infnet"):
        name = f"axial_{mask}_seg.dcm"
        assert (tmp_path / name).read_bytes() == (axial.out / name).read_bytes()


def test_segments_are_coded(axial):
    def kind(segment):
        return segment.segmented_property_type

    right, left = axial.seg("lungs").SegmentSequence
    (lesion,) = axial.seg("normnet").SegmentSequence
    glass, solid = axial.seg("infnet").SegmentSequence
    for lung, side in ((right, codes.SCT.Right), (left, codes.SCT.Left)):
        assert lung.segmented_property_category == codes.SCT.AnatomicalStructure
        assert kind(lung) == codes.SCT.Lung
        modifier = lung.SegmentedPropertyTypeCodeSequence[0]
        modifier = modifier.SegmentedPropertyTypeModifierCodeSequence[0]
        assert hd.sr.CodedConcept.from_dataset(modifier) == side
    for abnormal in (lesion, glass, solid):
        category = abnormal.segmented_property_category
        assert category == codes.SCT.MorphologicallyAbnormalStructure
        assert abnormal.anatomic_regions == [codes.SCT.Lung]
    assert kind(lesion) == codes.SCT.Lesion
    assert kind(glass) == codes.DCM.GroundGlassOpacity
    assert (kind(solid).value, kind(solid).scheme_designator) == ("RID43255", "RADLEX")
    version = subprocess.run(
        [os.environ["PLEURA_BIN"], "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    for segment in (right, left, lesion, glass, solid):
        assert segment.algorithm_type == hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
        assert segment.SegmentAlgorithmName.startswith("Pleura ")
        identified = segment.algorithm_identification
        assert identified.family == codes.DCM.ArtificialIntelligence
        assert identified.version == version
    for mask in MASKS:
        seg = axial.seg(mask)
        assert "not for diagnosis" in seg.ContentDescription
        assert "not for diagnosis" in seg.SeriesDescription


def test_colours_are_the_pages(axial):
    page = {
        "lungs": [(86, 180, 233), (0, 158, 115)],
        "normnet": [(230, 97, 0)],
        "infnet": [(240, 228, 66), (204, 121, 167)],
    }
    for mask, colours in page.items():
        for segment, colour in zip(axial.seg(mask).SegmentSequence, colours, strict=True):
            lab = hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
            assert np.abs(np.subtract(lab.to_rgb(), colour)).max() <= 1


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not here")
def test_dciodvfy_has_no_errors(case):
    for mask in case.masks():
        path = Path(case.out / f"{case.name}_{mask}_seg.dcm")
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True)
        errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
        assert errors == [], "\n".join(errors)
