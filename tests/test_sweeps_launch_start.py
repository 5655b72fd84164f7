"""A Ray that never starts: the launch ends with one sentence, and nothing of Ray is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from calque.sweeps.launch import start_watcher

SCRIPT = """
import subprocess, sys, time, types
ray, private, constants = (types.ModuleType(name) for name in ("ray", "ray._private", "ray._private.ray_constants"))
constants.ENABLE_RAY_CLUSTER = True
private.ray_constants = constants
ray.is_initialized = lambda: False

def init(**given):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", given["_temp_dir"]])
    print(child.pid, flush=True)
    time.sleep(600)

ray.init = init
sys.modules |= {"ray": ray, "ray._private": private, "ray._private.ray_constants": constants}
from calque.sweeps.launch import cluster
from calque.sweeps.launch.scratch import scratch
cluster.START_SECONDS = 1.0
cluster.start_watcher.__file__ = sys.argv[1]
cluster.quiet = __import__("contextlib").nullcontext
with scratch() as own, cluster.cluster(1, own):
    print("started")
"""


def test_a_ray_that_never_starts_ends_the_launch(tmp_path: Path) -> None:
    watcher = tmp_path / "watcher.py"
    source = Path(start_watcher.__file__).read_text()
    watcher.write_text(source.replace("PATIENCE = 10.0", "PATIENCE = 0.5"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(watcher)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(
        "sweeps: Ray did not start within 1 s (is the machine"
    )
    child = int(done.stdout.split()[0])
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
