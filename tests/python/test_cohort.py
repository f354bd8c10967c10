"""The cohort example on Ray: a table, a failure that stops nobody, and going on."""

import csv
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

EXAMPLE = Path(__file__).parents[2] / "python" / "examples" / "cohort_ray.py"


def cohort(scans: Path, out: Path, *options: str) -> tuple[int, str, list[dict]]:
    command = [sys.executable, EXAMPLE, scans, "--out", out, "--model", "infnet", "--looks", "1"]
    command += ["--device", "cpu", "--actors", "2", "--cpus", "1", *options]
    # The secret of Ray's processes would be left in the home folder otherwise.
    token = out.with_name("token")
    token.write_text(secrets.token_hex(32))
    environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token)}
    # Ray gives its own processes 30 s to start, which a busy machine can miss.
    for _ in range(3):
        run = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
        if "timed out during startup" not in run.stderr:
            break
    table = out / "cohort.csv"
    assert table.exists(), run.stderr[-3000:]
    with table.open(newline="") as file:
        return run.returncode, run.stdout, list(csv.DictReader(file))


def test_cohort(phantom, hu, image, tmp_path, straight):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    shutil.copy(phantom, scans / "a.nii.gz")
    nib.save(nib.Nifti1Image(hu[::-1], image.affine @ flip(hu)), scans / "b.nii")
    (scans / "broken.nii.gz").write_bytes(phantom.read_bytes()[:2000])
    (scans / "notes.txt").write_text("no scan")

    code, _, rows = cohort(scans, out)
    assert code == 1
    assert [(r["case"], r["status"]) for r in rows] == [
        ("a", "done"),
        ("b", "done"),
        ("broken", "failed"),
    ]
    assert "ends early" in rows[2]["error"]
    # The same patient twice, the second time with an axis turned round.
    assert float(rows[0]["infnet_ml"]) > 0
    for column in ("lung_ml", "infnet_ml", "infnet_percent", "ground_glass_ml"):
        assert float(rows[0][column]) == float(rows[1][column])
    report = json.loads((out / "a_report.json").read_text())
    assert float(rows[0]["lung_ml"]) == report["both"]["lung_ml"]
    assert (out / "b_infnet.nii.gz").exists()
    assert not list(out.glob("*.partial"))

    # What is done is left alone; what failed, or was only half written, is done again.
    shutil.copy(phantom, scans / "broken.nii.gz")
    (out / "b_row.json").unlink()
    before = (out / "a_infnet.nii.gz").stat().st_mtime_ns
    code, said, rows = cohort(scans, out, "--resume")
    assert code == 0 and "1 of 3 cases are done already" in said
    assert [r["status"] for r in rows] == ["done"] * 3
    assert (out / "a_infnet.nii.gz").stat().st_mtime_ns == before
    assert rows[2]["infnet_ml"] == rows[0]["infnet_ml"]


def flip(hu: np.ndarray) -> np.ndarray:
    """The way from voxels of the turned first axis to those before."""
    way = np.eye(4)
    way[0, 0], way[0, 3] = -1, hu.shape[0] - 1
    return way
