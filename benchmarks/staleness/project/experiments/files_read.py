"""Files that code names, and programs that it starts."""

import csv
import io
import json
import os
import subprocess
import tomllib
from pathlib import Path

import numpy as np
from sweeps import experiment, grid

HERE = Path(__file__).parent
FOLDER = HERE / "inputs"
LEVELS = FOLDER / "levels.json"
NAMES = ["first.txt", "second.txt"]


def load(path):
    return np.loadtxt(path)


def settings(path=FOLDER / "settings.toml"):
    return tomllib.loads(Path(path).read_text())


class Material:
    path = FOLDER / "material.csv"

    def __init__(self):
        with self.path.open() as file:
            self.rows = list(csv.reader(file))


@experiment(grid(x=[1.0, 2.0]))
def of_json(x):
    return {"value": x * sum(json.loads(LEVELS.read_text()))}


@experiment(grid(x=[1.0, 2.0]))
def of_toml(x):
    return {"value": x * settings()["scale"] + settings()["offset"]}


@experiment(grid(x=[1.0, 2.0]))
def of_class(x):
    return {"value": x * sum(float(value) for row in Material().rows for value in row)}


@experiment(grid(x=[1.0, 2.0]))
def handed_over(x):
    return {"value": x * load(os.path.join(FOLDER, "field.txt")).sum()}


@experiment(grid(x=[1.0, 2.0]))
def of_a_list(x):
    return {"value": x * sum(float(open(FOLDER / "several" / name).read()) for name in NAMES)}


@experiment(grid(x=[1.0, 2.0]))
def of_a_folder(x):
    return {"value": x * sum(float(path.read_text()) for path in (FOLDER / "several").iterdir())}


@experiment(grid(x=[1.0, 2.0]), depends_on="inputs/several/*.txt")
def of_a_pattern(x):
    return {"value": x * sum(float(io.open(path).read()) for path in FOLDER.glob("several/*.txt"))}


@experiment(grid(x=[1.0, 2.0]))
def of_a_program(x):
    said = subprocess.check_output(["sh", FOLDER / "solver.sh", str(int(x))])
    return {"value": float(said)}


@experiment(grid(x=[1.0, 2.0]), depends_on="inputs/numbers.sh")
def of_a_program_and_what_it_reads(x):
    said = subprocess.check_output(["sh", HERE / "inputs" / "reader.sh", str(int(x))], cwd=FOLDER)
    return {"value": float(said)}
