"""A folder of scans on every core or machine that Ray has, and one table at the end.

    pip install "ray[data]"
    python cohort_ray.py scans --out results --resume

Each file or folder (a DICOM series) directly in SCANS is a case. An actor loads the networks once
and takes one scan after the other; a scan that fails is a row with its error, and the others go on.
``<case>_row.json`` is written last, when the masks and the report of a case are there: what it
stands for is skipped by ``--resume``, unless the settings have changed. Research and teaching, not
for diagnosis.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read by Ray when it is imported: nothing is told to anyone.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import pleura
import ray

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".dcm", ".zip", ".png", ".jpg", ".jpeg")
COLUMNS = (
    "case",
    "status",
    "error",
    "seconds",
    "lung_ml",
    "normnet_ml",
    "normnet_percent",
    "infnet_ml",
    "infnet_percent",
    "ground_glass_ml",
    "consolidation_ml",
    "agreement_dice",
    "warnings",
    "path",
)


def cases(folder: Path, pattern: str) -> dict[str, Path]:
    """The scans of a folder by the names that their results have."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        scan = path.is_dir() or path.name.lower().endswith(ENDINGS)
        if path.name.startswith(".") or not scan:
            continue
        case = pleura.case_name(path)
        if case in found:
            sys.exit(f"{found[case]} and {path} would both be called {case}: rename one")
        found[case] = path
    if not found:
        sys.exit(f"{folder}: nothing matches {pattern} and is a scan")
    return found


def row_file(out: Path, case: str) -> Path:
    return out / f"{case}_row.json"


def finished(out: Path, case: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The row of a case that is done with these settings."""
    try:
        kept = json.loads(row_file(out, case).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    row: dict[str, Any] = kept["row"]
    return row if kept["made_by"] == made_by(settings) else None


def made_by(settings: dict[str, Any]) -> dict[str, Any]:
    return {"pleura": pleura.__version__, **settings}


def write(path: Path, text: str) -> None:
    """The file takes its name when it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def measures(result: pleura.Segmentation) -> dict[str, Any]:
    """The columns that a report fills."""
    row: dict[str, Any] = {"warnings": " ".join(w["code"] for w in result.warnings)}
    if result.report is None:
        return row
    both = result.report["both"]
    row["lung_ml"] = both["lung_ml"]
    row["agreement_dice"] = result.report["agreement_dice"]
    for network in ("normnet", "infnet"):
        if both[network] is not None:
            row[f"{network}_ml"] = both[network]["lesion"]["ml"]
            row[f"{network}_percent"] = both[network]["lesion"]["percent"]
    for tissue in ("ground_glass", "consolidation"):
        amount = (both["infnet"] or {}).get(tissue)
        row[f"{tissue}_ml"] = amount and amount["ml"]
    return row


class Segmenter:
    """An actor: the networks are loaded once."""

    def __init__(self, out: str, settings: dict[str, Any], threads: int) -> None:
        # Before the first scan: the engine takes every core of the machine otherwise.
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        self.out, self.settings = Path(out), settings
        self.engine = pleura.Engine(**settings)

    def __call__(self, scan: dict[str, Any]) -> dict[str, Any]:
        begun = time.monotonic()
        row = {"case": scan["case"], "path": scan["path"]}
        try:
            result = self.engine.segment(scan["path"])
            result.save(self.out)
            row |= {"status": "done", **measures(result)}
            row["seconds"] = round(time.monotonic() - begun, 1)
            kept = {"made_by": made_by(self.settings), "row": row}
            write(row_file(self.out, scan["case"]), json.dumps(kept))
        except (pleura.Error, OSError) as error:
            row |= {"status": "failed", "error": str(error)}
        # As text: Ray's tables want the same columns in every row.
        return {"row": json.dumps(row)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("scans", type=Path, help="folder of scans")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for masks, reports, cohort.csv"
    )
    parser.add_argument("--glob", default="*", help="which files and folders are scans")
    parser.add_argument("--resume", action="store_true", help="skip the cases that are done")
    parser.add_argument("--model", default="both", choices=("both", "normnet", "infnet"))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    parser.add_argument("--looks", type=int, help="looks at a slice for Inf-Net, 1 to 8")
    parser.add_argument("--models", help="folder of weights, seen by every machine")
    parser.add_argument("--actors", type=int, default=1, help="scans at once")
    parser.add_argument("--cpus", type=int, default=2, help="cores for each of them")
    parser.add_argument("--address", help="of a running Ray cluster, which sees both folders")
    args = parser.parse_args()

    settings = {"model": args.model, "device": args.device, "looks": args.looks}
    settings["models"] = args.models and os.path.abspath(args.models)
    found = cases(args.scans, args.glob)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = {}
    if args.resume:
        kept = ((case, finished(args.out, case, settings)) for case in found)
        rows = {case: row for case, row in kept if row is not None}
        print(f"{len(rows)} of {len(found)} cases are done already")
    scans = [
        {"case": case, "path": str(path.resolve())}
        for case, path in found.items()
        if case not in rows
    ]
    for row in analyse(scans, args, settings) if scans else ():
        rows[row["case"]] = row
        print(f"{len(rows)}/{len(found)}  {row['case']}: {row.get('error', row['status'])}")
    table = args.out / "cohort.csv"
    partial = table.with_name("cohort.csv.partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows[case] for case in found)
    os.replace(partial, table)
    failed = sum(row["status"] != "done" for row in rows.values())
    print(f"{table}: {len(rows)} cases, {failed} failed")
    return 1 if failed else 0


def analyse(
    scans: list[dict[str, Any]], args: argparse.Namespace, settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The rows of the scans, as they are done."""
    if args.address:
        ray.init(args.address)
    else:
        # What passes between processes is paths and numbers: the least memory is enough.
        ray.init(
            num_cpus=args.actors * args.cpus,
            object_store_memory=100 << 20,
            include_dashboard=False,
        )
    ray.data.DataContext.get_current().enable_progress_bars = False
    # A block for each scan: an actor that is done takes the next.
    data = ray.data.from_items(scans, override_num_blocks=len(scans))
    rows = data.map(
        Segmenter,
        fn_constructor_args=(str(args.out.resolve()), settings, args.cpus),
        compute=ray.data.ActorPoolStrategy(size=min(args.actors, len(scans))),
        num_cpus=args.cpus,
    )
    for row in rows.iter_rows():
        yield json.loads(row["row"])


if __name__ == "__main__":
    sys.exit(main())
