import math

import numpy as np
import pytest
import xarray as xr

from calque.data import cube
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.languages import LANGUAGES
from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.tokens.tokenizers import train
from calque.data.words.properties import edit_similarity, item_properties
from calque.data.words.words import lexicon_rows, word_task, words
from calque.phases.acquisition.covariates import names_of

ALL = tuple(LANGUAGES)


@pytest.fixture(scope="module")
def task() -> WordTask:
    return word_task()


def small(forms: dict[tuple[str, str], tuple[str, ...]]) -> WordTask:
    concepts = tuple(dict.fromkeys(concept for _, concept in forms))
    return WordTask(
        languages=("en", "de"), concepts=concepts, forms=forms, nonce={}, prompt=lambda *_: "", stop=".",
    )  # fmt: skip


def test_edit_similarity_is_one_minus_distance_over_the_longer_word() -> None:
    found = edit_similarity(
        small(
            {
                ("en", "a"): ("kitten",),
                ("de", "a"): ("sitting",),
                ("en", "b"): ("Radio",),
                ("de", "b"): ("radio", "Rundfunk"),
                ("en", "c"): ("hound", "dog"),
                ("de", "c"): ("Köter", "Hund"),
                ("en", "d"): ("cheese",),
            }
        )  # fmt: skip
    )
    en, de = 0, 1
    assert found[en, de, 0] == pytest.approx(1 - 3 / 7) == pytest.approx(found[de, en, 0])
    assert found[en, de, 1] == found[de, en, 1] == 1, "case does not matter"
    assert found[en, de, 2] == pytest.approx(4 / 5), "the nearest accepted form counts"
    assert found[de, en, 2] == 0, "the source word is the headword"
    assert np.isnan(found[en, de, 3]) and found[en, en, 3] == 1


def test_the_list_has_cognates_and_strangers(task: WordTask) -> None:
    found = edit_similarity(task)
    index = {code: i for i, code in enumerate(ALL)}
    assert found.shape == (9, 9, len(task.concepts)) and not np.isnan(found).any()
    assert (found[range(9), range(9)] == 1).all()
    assert found[index["en"], index["ko"]].max() == 0, "no letter of one script is in the other"
    assert found[index["en"], index["de"]].mean() > found[index["en"], index["fi"]].mean() + 0.1


def test_frequencies_are_on_the_zipf_scale_and_absent_ones_are_missing(task: WordTask) -> None:
    assert task.zipf is not None and task.zipf.shape == (9, len(task.concepts))
    table = {row["concept"]: row for row in lexicon_rows("frequency.tsv")}
    assert set(table) == set(words().concepts), "run calque.data.lexicon.frequency again"
    en = task.zipf[0]
    assert en[task.concepts.index("house")] == 5.71 > en[task.concepts.index("abacus")] == 2.65
    assert np.isnan(task.zipf[ALL.index("tr"), task.concepts.index("abacus")])
    assert 1 < np.nanmin(task.zipf) and np.nanmax(task.zipf) < 7
    assert np.isnan(task.zipf).mean() < 0.03


def test_a_part_of_the_languages_keeps_its_frequencies(task: WordTask) -> None:
    part = word_task(("fi", "en"))
    assert part.zipf is not None and task.zipf is not None
    np.testing.assert_array_equal(part.zipf, task.zipf[[ALL.index("fi"), 0]])


def test_the_cube_gives_them_to_the_regression(task: WordTask) -> None:
    static = xr.Dataset(item_properties(task, Encoding(train(["hello"], 260))), coords={"language": list(ALL)})
    assert set(static) == {"overlap", "edit_similarity", "zipf_frequency", "script"}
    assert static["script"].sel(language="ko") == "Kore"
    described = cube.describe(static)
    assert all("long_name" in described[name].attrs for name in static)
    known = names_of(described)
    assert known["edit_similarity"] == ("edit_similarity", "")
    for end in ("source", "target"):
        assert known[f"{end}_zipf_frequency"] == ("zipf_frequency", end)
        assert known[f"{end}_script"] == ("script", end)


def test_the_world_knows_its_frequencies() -> None:
    world = World(WorldConfig(languages=3))
    found = item_properties(world.word_task(), Encoding(world.tokenizer()))
    assert set(found) == {"overlap", "exposure", "edit_similarity", "zipf_frequency"}
    np.testing.assert_array_equal(found["exposure"][1], world.truth.exposure)
    dims, zipf = found["zipf_frequency"]
    assert dims == ("language", "concept") and zipf.shape == (3, world.config.concepts)
    assert math.isclose(float((10.0 ** zipf[0].astype(float)).sum()), 1e9, rel_tol=1e-5)
    similarity = found["edit_similarity"][1]
    np.testing.assert_array_equal(similarity == 1, world.truth.cognate)
