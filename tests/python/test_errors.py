"""What goes wrong is an exception that says what to do."""

import json
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pleura
import pytest

BUNDLED = Path(pleura.__file__).parent / "models"
EYE = np.eye(4)


def test_files_that_are_no_scans(quick, phantom, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.nii"):
        quick.segment(tmp_path / "missing.nii")
    note = tmp_path / "note.nii.gz"
    note.write_text("no scan")
    with pytest.raises(pleura.InputError, match=r"note\.nii\.gz looks like .*does not open"):
        quick.segment(note)
    note.write_bytes(phantom.read_bytes()[:5000])
    with pytest.raises(pleura.InputError, match="ends early"):
        quick.segment(note)
    with pytest.raises(ValueError, match="affine belongs to an array"):
        quick.segment(phantom, EYE)
    with pytest.raises(FileNotFoundError, match="lungs.nii"):
        quick.segment(phantom, lungs=tmp_path / "lungs.nii")


@pytest.mark.parametrize(
    ("shape", "dtype", "affine", "text"),
    [
        ((4, 4, 4), np.int16, None, "without an affine"),
        ((4, 4, 4, 2), np.int16, EYE, "4 dimensions"),
        ((4, 4), np.float32, None, "2D array of float32"),
        ((4, 4, 4), np.int16, np.eye(3), "not 4×4"),
        ((4, 4, 4), np.int16, np.diag([1, 1, 0, 1]), "no volume"),
        ((4, 4, 4), np.int16, np.full((4, 4), np.nan), "not 4×4"),
        ((4, 0, 4), np.int16, EYE, "each side should be 1"),
        ((4, 4, 4), np.complex64, EYE, "c8 values"),
        ((4, 4, 4), np.bool_, EYE, "b1 values"),
        ((8, 8, 8), np.int16, EYE, "[Ll]ung"),
    ],
)
def test_arrays_that_are_no_scans(quick, shape, dtype, affine, text):
    with pytest.raises(pleura.InputError, match=text):
        quick.segment(np.zeros(shape, dtype), affine)


def test_lungs_that_do_not_fit(quick, hu, image):
    wrong = {
        "the scan has": np.ones((4, 4, 4), np.uint8),
        "2 dimensions": np.ones((4, 4), np.uint8),
        "no labels": np.full(hu.shape, -1),
    }
    for text, lungs in wrong.items():
        with pytest.raises(pleura.InputError, match=text):
            quick.segment(hu, image.affine, lungs=lungs)


def test_settings_that_are_not_there(tmp_path, monkeypatch):
    for setting in ({"model": "unet"}, {"infnet": "best"}, {"precision": "f64"}):
        with pytest.raises(ValueError, match="unknown variant"):
            pleura.Engine(**setting)
    with pytest.raises(ValueError, match="no device tpu"):
        pleura.Engine(device="tpu")
    for looks in (0, 9):
        with pytest.raises(ValueError, match="1 to 8"):
            pleura.Engine(looks=looks)
    with pytest.raises(pleura.EngineError, match="8-bit weights alone"):
        pleura.Engine(precision="f32")
    with pytest.raises(pleura.EngineError, match=r"manifest\.json"):
        pleura.Engine(models=tmp_path)
    monkeypatch.setenv("PLEURA_MODELS", str(tmp_path / "elsewhere"))
    with pytest.raises(pleura.EngineError, match="elsewhere"):
        pleura.Engine(device="cpu")


def test_the_package_has_every_8_bit_weight():
    manifest = json.loads((BUNDLED / "manifest.json").read_text())
    packed = {m["file"]: m["bytes"] for m in manifest["models"] if m["precision"] == "int8"}
    found = {file.name: file.stat().st_size for file in BUNDLED.glob("*.safetensors")}
    assert found == packed and packed


def test_weights_that_are_damaged_or_too_large(phantom, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(BUNDLED, models)
    file = models / "infnet-semi.int8.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    engine = pleura.Engine(model="infnet", models=models, device="cpu")
    with pytest.raises(pleura.EngineError, match="SHA-256"):
        engine.segment(phantom)
    engine = pleura.Engine(model="infnet", device="cpu", max_memory=1)
    with pytest.raises(pleura.EngineError, match="1 MB are allowed"):
        engine.segment(phantom)


def test_what_a_callback_raises_ends_the_work(quick, phantom, straight):
    calls = []

    def stop(part, text):
        calls.append(part)
        if "slice" in text:
            raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="Inf-Net slice 1/"):
        quick.segment(phantom, progress=stop)
    assert calls[-1] < 0.2
    # The engine is as good as before.
    again = quick.segment(phantom)
    np.testing.assert_array_equal(again.infnet, straight.infnet)


def test_interrupts_come_through_and_other_threads_run(phantom):
    engine = pleura.Engine(model="infnet", looks=8, device="cpu", lungs_by="threshold")
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.02):
            ticks.append(1)
            if len(ticks) == 10:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=tick)
    # A shell may have started this in the background, where Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.segment(phantom)
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert len(ticks) >= 10
