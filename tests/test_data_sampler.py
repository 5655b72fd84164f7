import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.data.errors import UserError
from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import BLOCK_ROWS, Sampler
from calque.data.shards.shards import Shard, Shards

SIZES = {"a": 5_001, "b": 1_283, "c": 40_000}
SHARES = {"a": 0.5, "b": 0.2, "c": 0.3}


def make_shards(folder, sizes):
    """Write streams whose tokens count up, so that a row says where it comes from: stream k begins at k x 100,000."""
    train = {}
    for k, (stream, size) in enumerate(sizes.items()):
        path = Path(folder) / f"{stream}.train.bin"
        (k * 100_000 + np.arange(size)).astype("<u4").tofile(path)
        train[stream] = Shard(
            stream=stream, split="train", tokens=size, documents=1, text_bytes=size, sha256="", dtype="<u4", path=path
        )  # fmt: skip
    return Shards(
        folder=Path(folder), fingerprint="", tokenizer_sha256="", vocabulary=300_000, provenance={}, fertility={},
        train=train, heldout={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return make_shards(tmp_path_factory.mktemp("shards"), SIZES)


def sampler(shards, **changes):
    settings = {"shares": SHARES, "context": 10, "batch_size": 12, "data_seed": 0, **changes}
    return Sampler(shards, **settings)


def test_rows_are_windows_of_one_stream(shards):
    for batch in islice(sampler(shards).batches(), 300):
        assert batch.shape == (12, 11) and batch.dtype == np.int64
        assert (np.diff(batch, axis=1) == 1).all()
        assert (batch[:, 0] % 100_000 % 10 == 0).all()


@pytest.mark.property
@settings(max_examples=60)
@given(
    step=st.integers(0, 3_000),
    world_size=st.sampled_from([1, 2, 3, 4, 6, 12]),
    data_seed=st.integers(0, 2**40),
)
def test_any_resume_and_any_number_of_workers_see_the_same_batch(shards, step, world_size, data_seed):
    whole = sampler(shards, data_seed=data_seed)
    expected = whole.batch(step)
    begun = sampler(shards, data_seed=data_seed)
    begun.batch(max(step - 1, 0))
    resumed = sampler(shards, data_seed=data_seed)
    assert (begun.batch(step) == expected).all()
    assert (next(resumed.batches(resumed.step(whole.state(step)))) == expected).all()
    for rank in range(world_size):
        part = sampler(shards, data_seed=data_seed, rank=rank, world_size=world_size).batch(step)
        assert (part == expected[rank::world_size]).all()


def test_rows_do_not_depend_on_the_batch_size(shards):
    small = np.concatenate([sampler(shards, batch_size=3).batch(step) for step in range(8)])
    large = np.concatenate([sampler(shards, batch_size=12).batch(step) for step in range(2)])
    assert (small == large).all()


def test_rows_do_not_depend_on_the_order_of_shares_or_on_streams_without_one(shards):
    turned = sampler(shards, shares=dict(reversed(SHARES.items())))
    assert (turned.batch(7) == sampler(shards).batch(7)).all()
    without = {"a": 0.5, "c": 0.5}
    assert (sampler(shards, shares={**without, "b": 0.0}).batch(3) == sampler(shards, shares=without).batch(3)).all()


def test_other_seeds_give_other_orders(shards):
    first, second = (sampler(shards, data_seed=seed).rows(np.arange(2_000))[:, 0] for seed in (0, 1))
    assert (first != second).mean() > 0.9


@pytest.mark.parametrize("stream", SIZES)
def test_every_window_once_an_epoch(shards, stream):
    windows = (SIZES[stream] - 1) // 10
    everything = sampler(shards, shares={stream: 1.0})
    epochs = everything.places(np.arange(3 * windows))[:, 1].reshape(3, windows)
    assert (np.sort(epochs, axis=1) == np.arange(windows)).all()
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


def test_every_window_once_an_epoch_within_a_mix(shards):
    places = sampler(shards).places(np.arange(3 * BLOCK_ROWS))
    for number, stream in enumerate(SIZES):
        windows = places[places[:, 0] == number, 1]
        epoch = (SIZES[stream] - 1) // 10
        for start in range(0, len(windows) - epoch + 1, epoch):
            assert len(np.unique(windows[start : start + epoch])) == epoch


def test_every_token_but_the_first_is_predicted_once_an_epoch(tmp_path):
    rows = sampler(make_shards(tmp_path, {"a": 101}), shares={"a": 1.0}).rows(np.arange(10))
    assert sorted(rows[:, 1:].ravel()) == list(range(1, 101))


@pytest.mark.parametrize("shares", [SHARES, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"a": 0.999, "b": 0.001}])
def test_shares_are_exact_in_every_block(shards, shares):
    made = sampler(shards, shares=shares)
    streams = made.places(np.arange(4 * BLOCK_ROWS))[:, 0].reshape(4, BLOCK_ROWS)
    for number, share in enumerate(made.shares.values()):
        counts = (streams == number).sum(axis=1)
        assert (np.abs(counts - BLOCK_ROWS * share) < 1).all()
        assert len(set(counts)) == 1
        so_far = np.cumsum(streams == number, axis=1)
        assert np.abs(so_far - share * np.arange(1, BLOCK_ROWS + 1)).max() < 3, "evenly spread"


@pytest.mark.parametrize("steps", [0, 1, 340, 341, 342, 1_000])
@pytest.mark.parametrize("world_size", [1, 3])
def test_what_was_drawn_is_counted_exactly(shards, steps, world_size):
    made = sampler(shards, world_size=world_size, shares={"a": 0.9, "b": 0.1})
    streams = made.places(np.arange(steps * 12))[:, 0]
    assert made.drawn(steps) == {"a": int((streams == 0).sum()), "b": int((streams == 1).sum())}


def test_the_order_of_streams_is_not_a_fixed_pattern(shards):
    streams = sampler(shards).places(np.arange(2 * BLOCK_ROWS))[:, 0].reshape(2, BLOCK_ROWS)
    assert (streams[0] != streams[1]).mean() > 0.1


def test_the_last_tokens_of_a_large_vocabulary_are_kept(tmp_path):
    path = tmp_path / "a.train.bin"
    made = make_shards(tmp_path, {"a": 1})
    shard = Shard(stream="a", split="train", tokens=40, documents=1, text_bytes=1, sha256="", dtype="<u2", path=path)
    np.array([0, 65_535] * 20, "<u2").tofile(path)
    made.train["a"] = shard
    batch = sampler(made, shares={"a": 1.0}).batch(0)
    assert set(batch.ravel()) == {0, 65_535}


def test_it_is_fast(shards):
    made = sampler(shards, context=64, batch_size=8)
    made.batch(0)
    begin, steps = time.process_time(), 2_000
    for step in range(steps):
        made.batch(step)
    assert steps * 8 * 64 / (time.process_time() - begin) > 1e6


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"shares": {"a": 0.5, "d": 0.5}}, "no stream 'd'; expected one of a, b, c"),
        ({"shares": {"a": 0.5, "b": 0.4}}, "sum to 0.9; expected 1"),
        ({"shares": {"a": 1.5, "b": -0.5}}, "share of stream 'b' is -0.5"),
        ({"shares": {"a": 0.9999, "b": 0.0001}}, "share of stream 'b' is 0.0001, which gives it no row"),
        ({"shares": {}}, "sum to 0; expected 1"),
        ({"context": 1_283}, "stream 'b' in .* has 1283 tokens, too few for one row; expected 1284 or more"),
        ({"context": 0}, "context is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"data_seed": -1}, "data_seed is -1"),
        ({"world_size": 5}, "batch_size is 12, which 5 workers cannot share evenly"),
        ({"rank": 2, "world_size": 2}, "rank is 2; expected 0 to 1"),
    ],
)
def test_impossible_settings_are_told(shards, changes, words):
    with pytest.raises(UserError, match=words):
        sampler(shards, **changes)


def test_a_state_of_another_run_is_told(shards):
    made = sampler(shards)
    assert made.state(5) == {"index": 60, "data_seed": 0}
    with pytest.raises(UserError, match="data_seed 1, not 0"):
        made.step({"index": 60, "data_seed": 1})
    with pytest.raises(UserError, match="61 rows, no multiple of batch_size 12"):
        made.step({"index": 61, "data_seed": 0})


def test_the_stream_of_each_row_is_told(shards):
    """Of the whole batch, of a rank's, and where other text comes first."""
    for one in (sampler(shards), sampler(shards, rank=1, world_size=3)):
        for step in range(40):
            assert one.row_streams(step) == (one.batch(step)[:, 0] // 100_000).tolist()
    opened = OpeningSampler(sampler(shards, shares={"b": 1.0}), sampler(shards), 170)  # 17 rows, of 12 a batch
    assert opened.streams == ("b", "a", "b", "c")
    for step in range(4):
        told = [opened.streams[i] for i in opened.row_streams(step)]
        assert told == ["abc"[k] for k in opened.batch(step)[:, 0] // 100_000]
        assert [i == 0 for i in opened.row_streams(step)] == [12 * step + row < 17 for row in range(12)]
