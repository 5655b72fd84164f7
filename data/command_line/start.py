"""The console scripts: Ctrl-C ends them with one line and exit code 130, whatever they are doing.

Python runs its handlers of signals between two instructions of the main thread. While modules are imported a handler
ends the program itself: nothing has begun. In compiled code no handler is run; a thread is told of the signal by the
system and ends the program when the main thread has not done so within ``GRACE`` seconds. Files are written beside
their name and moved there when they are whole (:mod:`calque.data.files`), so no file is left half written.

This module imports nothing but the standard library: importing it takes no time in which Ctrl-C would show a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib import import_module
from typing import NoReturn

GRACE = 1.5
"""Seconds that the main thread has to end by itself."""
EXIT_CODE = 128 + signal.SIGINT


def phases() -> None:
    """Run the command line ``phases``."""
    start("phases", "calque.phases.cli", prompt=True)


def scaling() -> None:
    """Run the command line ``scaling``."""
    start("scaling", "calque.scaling.cli", prompt=True)


def sweeps() -> None:
    """Run the command line ``sweeps``; its runs and scorings end by themselves, at a checkpoint."""
    start("sweeps", "calque.sweeps.cli", prompt=False)


def start(program: str, module: str, *, prompt: bool) -> None:
    """Import a command line and run it.

    Parameters
    ----------
    program : str
        What a person typed.
    module : str
        With the function ``main``.
    prompt : bool
        End within ``GRACE`` seconds of Ctrl-C also where compiled code runs: for programs that keep nothing but files
        written whole.
    """
    sys.unraisablehook = partial(_unraised, program)
    with _ending(program):
        main: Callable[[], None] = import_module(module).main
    try:
        with _promptly(program) if prompt else nullcontext():
            main()
    except KeyboardInterrupt:  # before a command began, or after it ended
        _tell(program)
        raise SystemExit(EXIT_CODE) from None


@contextmanager
def _ending(program: str) -> Iterator[None]:
    """End the program at Ctrl-C, without unwinding what is being imported."""
    if not _unheard():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: _end(program))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _promptly(program: str) -> Iterator[None]:
    """End the program ``GRACE`` seconds after Ctrl-C, where the main thread has not left this context by then."""
    if not _unheard():
        yield
        return
    import socket  # here, where Ctrl-C is heard already
    import threading

    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    left = threading.Event()
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with suppress(OSError):  # the socket is closed at the end
            while numbers := ours.recv(64):
                # a command that serves pages has a handler of its own, and takes its time
                if signal.SIGINT in numbers and _unheard() and not left.wait(GRACE):
                    _end(program)

    threading.Thread(target=watch, name="ctrl-c", daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        theirs.close()


def _unraised(program: str, lost: sys.UnraisableHookArgs) -> None:
    """End the program where Ctrl-C came in a callback or a destructor: Python would print it there and go on."""
    if lost.exc_type is KeyboardInterrupt:
        _end(program)
    sys.__unraisablehook__(lost)


def _unheard() -> bool:
    """Return whether Ctrl-C is Python's own: neither ignored, as in the background, nor handled by other code."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _end(program: str) -> NoReturn:
    _tell(program)
    os._exit(EXIT_CODE)


def _tell(program: str) -> None:
    with suppress(OSError):
        clean = b"\r\x1b[K\x1b[?25h" if os.isatty(2) else b""  # a progress bar hides the cursor
        os.write(2, clean + f"{program}: stopped by Ctrl-C\n".encode())
