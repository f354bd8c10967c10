"""Lung infection in chest CT, by NormNet and Inf-Net. Research and teaching, not for diagnosis.

>>> import pleura
>>> result = pleura.segment("scan.nii.gz")
>>> result.infnet.shape, result.report["both"]["infnet"]["lesion"]["percent"]
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _native
from ._native import EngineError, Error, InputError, case_name

__version__ = _native.VERSION

__all__ = [
    "Engine",
    "EngineError",
    "Error",
    "InputError",
    "Segmentation",
    "case_name",
    "segment",
]

Mask = npt.NDArray[np.uint8]
Scan = str | os.PathLike[str] | npt.NDArray[Any]
Progress = Callable[[float, str], object]

_BUNDLED = Path(__file__).parent / "models"


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What was found. Arrays are indexed as the input is: ``[i, j, k]``, and ``[row, column]`` for
    a picture, which has no lungs, no NormNet and no report. What did not run is ``None``."""

    case: str
    #: Voxels to RAS millimetres, 4×4, as nibabel has it; ``None`` for a picture.
    affine: npt.NDArray[np.float64] | None
    #: 1 right lung, 2 left lung.
    lungs: Mask | None
    #: 1 lesion.
    normnet: Mask | None
    #: 255 minus NormNet's mean probability × 255 of being healthy; means something above −500 HU.
    normnet_prob: Mask | None
    #: 1 ground glass, 2 consolidation.
    infnet: Mask | None
    #: Inf-Net's probability of infection × 255.
    infnet_prob: Mask | None
    #: The findings: what ``<case>_report.json`` of the command line has.
    report: dict[str, Any] | None
    #: The run manifest: hashes of input, weights and masks, and every option.
    run: dict[str, Any]
    #: What makes the numbers less reliable: ``code`` for programs, ``text`` for people.
    warnings: list[dict[str, str]]
    _report_text: str | None = field(default=None, repr=False)

    @property
    def masks(self) -> dict[str, Mask]:
        """The arrays that there are, by name."""
        names = ("lungs", "normnet", "normnet_prob", "infnet", "infnet_prob")
        found = ((name, getattr(self, name)) for name in names)
        return {name: mask for name, mask in found if mask is not None}

    def __repr__(self) -> str:
        return f"<Segmentation of {self.case}: {', '.join(self.masks)}>"

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Writes the files that ``pleura segment`` writes, and gives their paths. The run manifest
        comes last; each file takes its name when it is whole."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files: list[tuple[str, bytes]] = []
        for name, mask in self.masks.items():
            if self.affine is None:
                name = f"{self.case}_{_PICTURE_FILES[name]}.png"
                voxels, shape = mask.tobytes(order="C"), (mask.shape[1], mask.shape[0], 1)
                files.append((name, _native.file(name, voxels, shape)))
            else:
                name = f"{self.case}_{name}.nii.gz"
                voxels, rows = mask.tobytes(order="F"), self.affine[:3].tolist()
                files.append((name, _native.file(name, voxels, mask.shape, rows)))
        if self._report_text is not None:
            files.append((f"{self.case}_report.json", self._report_text.encode()))
        run = {**self.run, "files": [name for name, _ in files]}
        files.append((f"{self.case}_run.json", json.dumps(run, indent=2).encode() + b"\n"))
        paths = []
        for name, content in files:
            path = folder / name
            partial = path.with_name(f"{name}.partial")
            try:
                partial.write_bytes(content)
                os.replace(partial, path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            paths.append(path)
        return paths


#: The command line's names for a picture's arrays.
_PICTURE_FILES = {"infnet": "classes", "infnet_prob": "infnet"}


class Engine:
    """Networks on a device, for one scan after the other. Threads may share one: it runs their
    scans in turn.

    model
        ``"both"``, ``"normnet"`` or ``"infnet"``; a picture always gets Inf-Net.
    device
        ``"auto"`` takes a real GPU if there is one, else the CPU; ``"cpu"``; ``"gpu"`` takes a
        software GPU too.
    precision
        ``"int8"`` or ``"f32"``, whose weights are not in the package: give ``models``.
    looks
        1 to 8 looks at a slice that Inf-Net's opinion is averaged over; 2 by default, 8 for a picture.
    normnet, infnet, lungs_by, classes_by
        as ``--normnet``, ``--infnet``, ``--lungs-by`` and ``--classes-by`` of the command line.
    models
        folder with manifest and weights; else ``PLEURA_MODELS``, else the weights in the package.
    max_memory
        most memory in MB that a network may take while it runs.
    """

    def __init__(
        self,
        *,
        model: Literal["both", "normnet", "infnet"] = "both",
        device: Literal["auto", "cpu", "gpu", "cuda"] = "auto",
        precision: Literal["int8", "f32"] = "int8",
        looks: int | None = None,
        normnet: Literal["best", "paper"] = "best",
        infnet: Literal["semi", "labelled"] = "semi",
        lungs_by: Literal["network", "threshold"] = "network",
        classes_by: Literal["density", "network"] = "density",
        models: str | os.PathLike[str] | None = None,
        max_memory: int | None = None,
    ) -> None:
        if looks is not None and not 1 <= looks <= 8:
            raise ValueError(f"looks is {looks}, and there are 1 to 8")
        folder = models or os.environ.get("PLEURA_MODELS") or _BUNDLED
        if precision == "f32" and folder == _BUNDLED:
            raise EngineError(
                "the package has the 8-bit weights alone: for precision='f32' give a folder with "
                "all of them as models"
            )
        options = {
            "model": model,
            "normnet": normnet,
            "infnet": infnet,
            "precision": precision,
            "lungs": lungs_by,
            "classes": classes_by,
            "looks": looks,
        }
        self._native = _native.Engine(folder, device, json.dumps(options), max_memory)

    @property
    def device(self) -> str:
        """Name of the device, as the report has it."""
        return self._native.device

    def __repr__(self) -> str:
        return f"<Engine on {self.device}>"

    def segment(
        self,
        scan: Scan,
        affine: npt.ArrayLike | None = None,
        *,
        lungs: Scan | None = None,
        series: str | None = None,
        name: str = "scan",
        progress: Progress | None = None,
    ) -> Segmentation:
        """Finds lungs and infection.

        scan
            a path: NIfTI, NRRD, MetaImage, PNG, JPEG, a DICOM file, a folder or a .zip of them. Or
            an array ``[i, j, k]`` of HU with its ``affine``; or a grey picture ``[row, column]``
            of uint8, seen as on a monitor: the patient's right on the left, the back below.
        affine
            of an array: 4×4, voxels to RAS millimetres, as nibabel has it.
        lungs
            a lung mask on the scan's grid instead of looking for them: NIfTI, or an array.
        series
            SeriesInstanceUID of the DICOM series to take, instead of the CT series with most slices.
        name
            what an array is called in messages and files.
        progress
            gets the part that is done, 0…1, and what comes next. What it raises ends the work, as
            Ctrl-C does, before the next tile.
        """
        if not isinstance(scan, np.ndarray):
            return self._path(scan, affine, lungs, series, progress)
        if scan.ndim == 2:
            return self._picture(scan, affine, lungs, name, progress)
        if scan.ndim != 3:
            raise InputError(f"{name} has {scan.ndim} dimensions: a scan has 3, a grey picture 2")
        if affine is None:
            raise InputError(
                f"{name} is an array without an affine: give the 4×4 map from voxels to RAS "
                "millimetres (nibabel's .affine), or a picture as a 2D array of grey"
            )
        if scan.dtype == np.float16:
            scan = scan.astype(np.float32)
        scan = scan.astype(scan.dtype.newbyteorder("="), copy=False)
        found = self._native.volume(
            name,
            scan.tobytes(order="F"),
            scan.dtype.str[1:],
            scan.shape,
            _rows(name, affine),
            _lungs(lungs),
            progress,
        )
        return _volume(found)

    def _path(
        self,
        scan: str | os.PathLike[str],
        affine: npt.ArrayLike | None,
        lungs: Scan | None,
        series: str | None,
        progress: Progress | None,
    ) -> Segmentation:
        if affine is not None:
            raise ValueError("affine belongs to an array: a file has its own")
        path = os.fspath(scan)
        os.stat(path)  # A missing file is Python's own FileNotFoundError.
        found = self._native.path(path, series, _lungs(lungs), progress)
        return _picture(found) if found["affine"] is None else _volume(found)

    def _picture(
        self,
        scan: npt.NDArray[Any],
        affine: npt.ArrayLike | None,
        lungs: Scan | None,
        name: str,
        progress: Progress | None,
    ) -> Segmentation:
        if scan.dtype != np.uint8:
            raise InputError(
                f"{name} is a 2D array of {scan.dtype}: a picture is uint8, and a slice in HU is an "
                "array of shape (columns, rows, 1) with an affine"
            )
        if affine is not None or lungs is not None:
            raise ValueError("a picture has neither affine nor lungs")
        height, width = scan.shape
        found = self._native.picture(name, scan.tobytes(order="C"), width, height, progress)
        return _picture(found)


def segment(
    scan: Scan,
    affine: npt.ArrayLike | None = None,
    *,
    lungs: Scan | None = None,
    series: str | None = None,
    name: str = "scan",
    progress: Progress | None = None,
    model: Literal["both", "normnet", "infnet"] = "both",
    device: Literal["auto", "cpu", "gpu", "cuda"] = "auto",
    precision: Literal["int8", "f32"] = "int8",
    looks: int | None = None,
    normnet: Literal["best", "paper"] = "best",
    infnet: Literal["semi", "labelled"] = "semi",
    lungs_by: Literal["network", "threshold"] = "network",
    classes_by: Literal["density", "network"] = "density",
    models: str | os.PathLike[str] | None = None,
    max_memory: int | None = None,
) -> Segmentation:
    """Finds lungs and infection in one scan: :meth:`Engine.segment` of an :class:`Engine` with
    these settings. For many scans make one engine and keep it."""
    engine = Engine(
        model=model,
        device=device,
        precision=precision,
        looks=looks,
        normnet=normnet,
        infnet=infnet,
        lungs_by=lungs_by,
        classes_by=classes_by,
        models=models,
        max_memory=max_memory,
    )
    return engine.segment(scan, affine, lungs=lungs, series=series, name=name, progress=progress)


def _rows(name: str, affine: npt.ArrayLike) -> list[list[float]]:
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise InputError(
            f"the affine of {name} is not 4×4 with 0, 0, 0, 1 in its last row: give nibabel's .affine"
        )
    rows: list[list[float]] = matrix[:3].tolist()
    return rows


def _lungs(lungs: Scan | None) -> Any:
    if lungs is None:
        return None
    if not isinstance(lungs, np.ndarray):
        path = os.fspath(lungs)
        os.stat(path)
        return path
    if lungs.ndim != 3:
        raise InputError(f"the lung mask has {lungs.ndim} dimensions, not 3")
    labels = lungs.astype(np.uint8)
    if not np.array_equal(labels, lungs):
        raise InputError("the lung mask has values that are no labels from 0 to 255")
    return labels.tobytes(order="F"), labels.shape


def _volume(found: _native.Segmented) -> Segmentation:
    masks = {
        name: np.frombuffer(voxels, np.uint8).reshape(found["shape"], order="F")
        for name, voxels in found["masks"].items()
    }
    affine = np.eye(4)
    affine[:3] = found["affine"]
    return _segmentation(found, masks, affine)


def _picture(found: _native.Segmented) -> Segmentation:
    width, height, _ = found["shape"]
    masks = {
        name: np.frombuffer(found["masks"][file], np.uint8).reshape(height, width)
        for name, file in _PICTURE_FILES.items()
    }
    return _segmentation(found, masks, None)


def _segmentation(
    found: _native.Segmented,
    masks: dict[str, Mask],
    affine: npt.NDArray[np.float64] | None,
) -> Segmentation:
    report = found["report"]
    return Segmentation(
        case=found["case"],
        affine=affine,
        lungs=masks.get("lungs"),
        normnet=masks.get("normnet"),
        normnet_prob=masks.get("normnet_prob"),
        infnet=masks.get("infnet"),
        infnet_prob=masks.get("infnet_prob"),
        report=None if report is None else json.loads(report),
        run=json.loads(found["run"]),
        warnings=[{"code": code, "text": text} for code, text in found["warnings"]],
        _report_text=report,
    )
