"""TensorBoard's event files: restarts, tokens under a tag of their own, damaged files."""

import re

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.util import tensor_util

from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.importing import import_log
from tests.phases_logs import events, scalar, table


def test_tensorboard_restart(tmp_path):
    """What a later file goes over again is replaced from its first step on, declared or not, in any order on disk."""
    first = [scalar("acc", 0.1 * s, s, wall=s) for s in range(1, 7)]
    later = [scalar("acc", 0.01 * s, s, wall=100 + s) for s in (4, 5)]
    events(tmp_path, later, ".a")
    events(tmp_path, first, ".b")
    for file, wall in zip(sorted(tmp_path.iterdir(), key=lambda p: p.name[-1]), (100.0, 1.0), strict=True):
        _begin_at(file, wall)
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=10.0))
    np.testing.assert_allclose(made.cube["acc"][0], [0.1, 0.2, 0.3, 0.04, 0.05], atol=1e-7)
    assert any("3 earlier values of its tags" in note for note in made.notes)
    restart = event_pb2.Event(step=4, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
    _begin_at(events(tmp_path, [restart, *later], ".c"), 200.0)
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=10.0))
    np.testing.assert_allclose(made.cube["acc"][0], [0.1, 0.2, 0.3, 0.04, 0.05], atol=1e-7)


def _begin_at(file, wall):
    """Rewrite a file so that it was begun at ``wall``, with TensorBoard's own record writer."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.summary.writer.record_writer import RecordWriter

    kept = list(LegacyEventFileLoader(str(file)).Load())
    kept[0].wall_time = wall
    with file.open("wb") as opened:
        writer = RecordWriter(opened)
        for event in kept:
            writer.write(event.SerializeToString())


def test_tensorboard_tokens_between_steps(tmp_path):
    """A tokens tag logged at other steps than the metric gives the place on the line between; none beyond."""
    made = [scalar("tokens", 1000.0 * s, s) for s in (0, 10, 20)]
    made += [scalar("eval/acc", 0.1, 5), scalar("eval/acc", 0.2, 10)]
    made += [event_pb2.Event(step=7, summary=summary_pb2.Summary(value=[_text("eval/notes")]))]
    made += [scalar("eval/acc", float("nan"), 12), scalar("eval/acc", float("inf"), 13), scalar("eval/acc", 0.3, 25)]
    events(tmp_path / "run", made)
    events(tmp_path / "other", [scalar("lr", 1.0, 1)])
    got = import_log(Request(path=tmp_path, metrics=("eval/acc",), tokens="tokens"))
    np.testing.assert_array_equal(got.cube["tokens"], [[5000, 10000]])
    np.testing.assert_array_equal(got.cube["step"], [[5, 10]])
    np.testing.assert_allclose(got.cube["eval.acc"], [[0.1, 0.2]], atol=1e-7)
    notes = " | ".join(got.notes)
    assert "1 step is on the line" in notes and "1 step outside" in notes
    assert "'other' has none of the tags" in notes and "1 infinite value of" in notes
    with pytest.raises(UserError, match="no tag 'eval/notes'; it has eval/acc, lr, tokens"):
        import_log(Request(path=tmp_path, metrics=("eval/notes",), tokens_per_step=1.0))
    with pytest.raises(UserError, match="`run` has no use here"):
        import_log(Request(path=tmp_path, metrics=("eval/acc",), run="run"))


def _text(tag):
    made = summary_pb2.Summary.Value(tag=tag)
    made.tensor.CopyFrom(tensor_util.make_tensor_proto("words", dtype="string"))
    return made


def test_tensorboard_cut_and_damaged_files(tmp_path):
    file = events(tmp_path, [scalar("acc", 0.1 * s, s) for s in range(1, 6)])
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=1.0))
    np.testing.assert_array_equal(made.cube["tokens"], [[1, 2, 3, 4]])
    assert any("after record 5, are cut or damaged" in note for note in made.notes)
    size = len(whole)
    file.write_bytes(whole[: size - 60] + b"\xff\xff" + whole[size - 58 :])
    made = import_log(Request(path=file, metrics=("acc",), tokens_per_step=1.0))
    assert any(re.search(r"after record [34], are cut or damaged and are not read", n) for n in made.notes)
    assert made.cube.sizes["checkpoint"] < 5 and list(made.cube["run"].values) == [tmp_path.name]


def test_a_file_that_is_no_event_file(tmp_path):
    path = table(tmp_path, "abcdefgh", "events.out.tfevents.1")
    with pytest.raises(UserError, match="holds no scalar .*the last 8 bytes, after record 0"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))
