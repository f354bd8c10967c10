"""Types of the native part; :mod:`pleura` is the package's face."""

import os
from collections.abc import Callable, Sequence
from typing import TypedDict

VERSION: str

class Error(Exception): ...
class InputError(Error): ...
class EngineError(Error): ...

_Path = str | os.PathLike[str]
_Shape = tuple[int, ...]
_Rows = Sequence[Sequence[float]]
_Lungs = _Path | tuple[bytes, _Shape] | None
_Progress = Callable[[float, str], object] | None

class Segmented(TypedDict):
    case: str
    shape: list[int]
    affine: list[list[float]] | None
    masks: dict[str, bytearray]
    report: str | None
    run: str
    warnings: list[tuple[str, str]]

class Engine:
    def __new__(
        cls, models: _Path, device: str, options: str, max_memory: int | None
    ) -> Engine: ...
    @property
    def device(self) -> str: ...
    def path(
        self,
        path: _Path,
        series: str | None = None,
        lungs: _Lungs = None,
        progress: _Progress = None,
    ) -> Segmented: ...
    def volume(
        self,
        name: str,
        voxels: bytes,
        datatype: str,
        shape: _Shape,
        affine: _Rows,
        lungs: _Lungs = None,
        progress: _Progress = None,
    ) -> Segmented: ...
    def picture(
        self,
        name: str,
        pixels: bytes,
        width: int,
        height: int,
        progress: _Progress = None,
    ) -> Segmented: ...

def case_name(path: _Path) -> str: ...
def file(name: str, voxels: bytes, shape: _Shape, affine: _Rows | None = None) -> bytes: ...
