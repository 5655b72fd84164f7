"""One run in this process, from its request to its recorded end. Needs no Ray."""

from __future__ import annotations

import contextlib
import sys
import traceback

from calque.data.errors import STORAGE, UserError, file_error
from calque.data.files import FolderGoneError
from calque.data.locks import locked
from calque.models.training import strategy, workers
from calque.models.training.loop import StoppedError
from calque.models.training.rows import FewerRowsError
from calque.sweeps.prepare.prepare import prepare
from calque.sweeps.results.progress import ENDED, LOCK, RunProgress
from calque.sweeps.trial.request import Report, TrialRequest
from calque.sweeps.trial.stopping import StopSignal, TerminatedError, catch_sigterm
from calque.sweeps.trial.training import train_run

LOCK_WAIT = 30.0


def no_report(metrics: dict[str, float]) -> None:
    """Ignore the metrics of a checkpoint."""


def run_trial(request: TrialRequest, report: Report = no_report) -> RunProgress:
    """Train and score one run to its end, resuming from its newest state.

    An error of the run itself (such as a loss that is not finite) does not raise, because another try would repeat it:
    it is recorded as ``failed``, with its traceback in ``error.txt``. A killed process leaves its last state behind.
    SIGTERM keeps a full state after the current step and ends the process.

    Parameters
    ----------
    request : TrialRequest
    report : callable
        Called with ``step``, ``tokens`` and ``loss`` after every checkpoint; not where this process starts several
        others for the run's devices.

    Returns
    -------
    RunProgress
        Where the run stands now.

    Raises
    ------
    UserError
        When the user can mend it: a full disk, unreadable data, a run that is already running. Recorded too.
    SystemExit
        After SIGTERM.
    """
    if strategy.rank() > 0:
        try:
            _train(request, no_report)
        except (StoppedError, TerminatedError) as stopped:  # rank 0 records it
            raise SystemExit(1) from stopped
        return request.progress()
    with locked(request.folder / LOCK, f"run '{request.config.name}'", wait=LOCK_WAIT):
        try:
            if request.config.training.devices > strategy.world_size() == 1:
                _train_in_processes(request)
            else:
                _train(request, report)
        except UserError as error:
            record_failure(request, error)
            raise
        except (StoppedError, TerminatedError) as stopped:
            message = _record_stop(request, stopped)
            print(f"run '{request.config.name}': {message}; run the same again to go on", file=sys.stderr, flush=True)
            raise SystemExit(1) from stopped
        except FewerRowsError:  # one of several processes: whoever started them starts them again
            raise
        except OSError as error:
            record_failure(request, error)
            if error.errno not in STORAGE:  # a fault of the run; one of the disk is none, and the run resumes after it
                return request.progress()
            raise file_error(error, what=error.filename or request.folder) from error
        except (Exception, SystemExit) as error:
            record_failure(request, error)
    return request.progress()


def record_failure(request: TrialRequest, error: BaseException) -> None:
    """Record in the folder of ``request`` that the run failed, with the message and traceback of ``error``.

    Nothing is raised where the disk is full or the results are gone: that would hide the error itself.
    """
    message = " ".join(f"{error}".split()) or type(error).__name__
    with contextlib.suppress(OSError, FolderGoneError):
        request.update_progress(state="failed", message=message)
        (request.folder / "error.txt").write_text(traceback.format_exc())


def _record_stop(request: TrialRequest, stopped: BaseException) -> str:
    """Record where SIGTERM stopped the run, unless one of its processes did already; return the message."""
    standing = request.progress()
    message = f"{stopped} by SIGTERM"
    if standing.state not in ("waiting", *ENDED):
        request.update_progress(state="waiting", message=message)
        return message
    return standing.message or message


def _train(request: TrialRequest, report: Report) -> None:
    several = request.config.training.devices > 1
    with catch_sigterm(at_once=True, ignore_repeats=several) as stop:
        pause = _Pause(request.until, report, stop)
        try:
            train_run(request, pause, stop)
        except StoppedError:
            if not pause.reached:
                raise
            request.update_progress(state="waiting", message="")


class _Pause:
    """A report that asks training to stop at the first checkpoint at ``until`` tokens or after them."""

    def __init__(self, until: int | None, report: Report, stop: StopSignal) -> None:
        self.until, self.report, self.stop, self.reached = until, report, stop, False

    def __call__(self, metrics: dict[str, float]) -> None:
        self.report(metrics)
        if self.until is not None and metrics["tokens"] >= self.until:
            self.reached = True
            self.stop.receive()


def _train_in_processes(request: TrialRequest) -> None:
    """Train in as many processes as the run has devices; when one dies, all start again from the newest state."""
    request.update_progress(state="preparing", message="", tokens_per_second=None)
    with catch_sigterm(at_once=True):
        prepare(request.config)
        workers.launch(_rank_main, request.config.training.devices, request)


def _rank_main(request: TrialRequest) -> None:
    """Train as one process of several. An error of the run itself is recorded and not tried again."""
    if request.progress().state == "failed":
        return
    try:
        _train(request, no_report)
    except (StoppedError, TerminatedError) as stopped:
        if strategy.rank() == 0:
            _record_stop(request, stopped)
        raise SystemExit(1) from stopped
    except FewerRowsError:  # tried again
        raise
    except Exception as error:
        if strategy.rank() == 0:
            record_failure(request, error)
        raise
