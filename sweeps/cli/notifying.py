"""How a run that was given ``--notify`` tells of its end."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from sweeps.cli.options import INTERRUPTED, warn
from sweeps.errors import SweepsError
from sweeps.progress import notify
from sweeps.signals import Interrupted
from sweeps.text import count, duration

if TYPE_CHECKING:
    from sweeps.execution.options import Report

_STATUS = {0: "done", 1: "failed", INTERRUPTED: "interrupted"}


@contextlib.contextmanager
def at_the_end(target: str, name: str) -> Iterator[Callable[[Report, int], None]]:
    """Notify when the run is over, however it ends; give it what takes its report and exit code."""
    notify.check(target)
    begun, reports = time.perf_counter(), list[tuple["Report", int]]()
    code, reason = 2, ""
    try:
        yield lambda report, code: reports.append((report, code))
    except (Interrupted, KeyboardInterrupt, click.Abort):
        code, reason = INTERRUPTED, "finished points are kept"
        raise
    except SweepsError as error:
        code, reason = error.exit_code, str(error)
        raise
    except BaseException as error:
        reason = str(error) or type(error).__name__
        raise
    finally:
        seconds = time.perf_counter() - begun
        told = ended(*reports[0]) if reports else _unfinished(name, code, seconds, reason)
        if trouble := notify.notify(target, told):
            warn(f"--notify: {trouble}", is_error=True)


def ended(report: Report, code: int) -> notify.Ended:
    """Tell how a run has ended that has a report."""
    done = report.n_computed + report.n_reused + report.n_failed
    left = max(0, report.n_points - done)
    said = (
        f"{count(report.n_points, 'point')}: {report.n_computed:,} computed, "
        f"{report.n_reused:,} reused, {report.n_failed:,} failed"
        f"{f', {left:,} still to do' if left else ''} in {duration(report.seconds)}"
    )
    return notify.Ended(
        name=report.experiment,
        status=_STATUS[code],
        exit_code=code,
        seconds=report.seconds,
        host=platform.node(),
        message=f"{report.experiment} {_STATUS[code]}: {said}",
        points=report.n_points,
        computed=report.n_computed,
        reused=report.n_reused,
        failed=report.n_failed,
        left=left,
    )


def _unfinished(name: str, code: int, seconds: float, reason: str) -> notify.Ended:
    status = _STATUS.get(code, "error")
    message = f"{name} {status} after {duration(seconds)}: {' '.join(reason.split())}"
    return notify.Ended(name, status, code, seconds, platform.node(), message)
