"""``python -m benchmarks``: measure sweeps beside its floors and its peers, and write the page.

With --quick it compares ratios to floors with generous bounds, in two minutes, and exits with 1
beyond one: that is what CI runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import contenders, measuring, plotting, quick, report
from benchmarks.cases import CASES
from benchmarks.rows import Options, Row

FIGURES = "benchmarks.json"


def main() -> int:
    """Measure what is asked for, and write docs/benchmarks.md with all that is known."""
    parser = _parser()
    given = parser.parse_args()
    if given.quick or given.bounds:
        return quick.main(quick=given.quick)
    try:
        options = Options(
            given.rounds, tuple(given.size or ()), contenders.peers(given.only_peers), given.limit
        )
    except ValueError as error:
        parser.error(str(error))
    record, failed = _read(given.out), False
    for name in given.case or CASES:
        print(f"{name}: {CASES[name].title}", file=sys.stderr, flush=True)
        try:
            rows = CASES[name].measure(options)
        except measuring.FailedRunError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            failed = True
            continue
        record[name] = {"machine": report.machine(), "rounds": given.rounds, "rows": rows}
        _write(given.out, record)  # what is measured is kept if a later case fails
    print(given.out / "benchmarks.md")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="compare with floors only, within bounds, in small")
    add("--bounds", action="store_true", help="compare with floors only, within bounds")
    add("--case", action="append", choices=CASES, help="only this one; may be given again")
    add("--size", action="append", type=int, help="instead of the case's; may be given again")
    add("--rounds", type=int, default=3, help="how often each is measured [3]")
    add("--only-peers", metavar="A,B", help="packages of peers, with commas; '' for none")
    add("--limit", type=float, default=60, metavar="S", help="what a run of a peer may take [60]")
    add("--out", type=Path, default=measuring.ROOT / "docs", help="folder of the page [docs]")
    return parser


def _read(folder: Path) -> dict[str, Any]:
    """Read earlier figures: a single case measured anew leaves the others on the page."""
    path = folder / FIGURES
    record = json.loads(path.read_text()) if path.exists() else {}
    for each in record.values():
        each["rows"] = [Row(**row) for row in each["rows"]]
    return dict(record)


def _write(folder: Path, record: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    plain = {
        name: {**each, "rows": [asdict(row) for row in each["rows"]]}
        for name, each in record.items()
    }
    (folder / FIGURES).write_text(json.dumps(plain, indent=1) + "\n")
    plots = {
        name: plotting.plot(CASES[name], each["rows"], folder) for name, each in record.items()
    }
    (folder / "benchmarks.md").write_text(report.text(record, plots))


if __name__ == "__main__":
    sys.exit(main())
