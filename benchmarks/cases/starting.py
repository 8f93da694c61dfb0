"""B6: what every command takes before it does anything."""

from __future__ import annotations

from benchmarks import measuring, ours
from benchmarks.contenders import IMPORTS, SWEEPS
from benchmarks.measuring import Run
from benchmarks.rows import Case, Options, Row, rows_of

COMMANDS = (
    ("--help",),
    ("list",),
    ("plan", "scalar"),
    ("status", "scalar"),
    ("run", "scalar"),
)
IMPORT_PEERS = "import {}"


def _measure(options: Options) -> list[Row]:
    n_points = options.sizes[0] if options.sizes else 1_000_000
    commands = {" ".join(("sweeps", *each)): ours.sweeps(*each) for each in COMMANDS}
    commands["python -c pass"] = [commands["sweeps list"][0], "-c", "pass"]
    for peer in options.peers:
        if not peer.absent("import"):
            code = IMPORT_PEERS.format(peer.package)
            commands[code] = [commands["sweeps list"][0], "-c", code]
    found: dict[str, list[Run]] = {name: [] for name in (*commands, IMPORTS.name)}
    with measuring.fresh_folder() as folder:
        commands[IMPORTS.name] = IMPORTS.command(folder, "", {})
        measuring.run(SWEEPS.command(folder, "scalar", {"n_points": n_points}), folder)
        for _ in range(3 * options.rounds):  # each is short
            for name, command in commands.items():
                found[name].append(measuring.run(command, folder))
    return [
        Row(row.contender, row.size, {"wall_s": row.numbers["wall_s"]})
        for name, runs in found.items()
        for row in rows_of(name, n_points, runs)
    ]


CASES = (
    Case(
        "B6",
        "Start",
        "stored points",
        "Each command runs on a complete results file and has nothing to do. For comparison: "
        "Python and imports alone.",
        _measure,
    ),
)
