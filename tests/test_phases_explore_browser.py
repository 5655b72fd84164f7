"""The pages in a real browser: names are never markup, a link shows the page again, every input has a name."""

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from calque.data import cube as cubes
from calque.data.quantities import format_count
from tests.browser import NEEDS_BROWSER
from tests.explore_cube import explored, timing
from tests.hostile_cube import TEX, hostile, hostile_cube, hostile_reports

pytestmark = [NEEDS_BROWSER, pytest.mark.xdist_group("explore_browser")]
ROOT = Path(__file__).parent.parent
DEEP = """
(selector) => {
  const found = []
  const look = (place) => {
    for (const element of place.querySelectorAll("*")) {
      if (element.matches(selector)) found.push(element)
      if (element.shadowRoot) look(element.shadowRoot)
    }
  }
  look(document)
  return %s
}
"""
COUNT = DEEP % "found.length"
DRAWN = "() => document.getElementById('busy')?.textContent === ''"


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1300, "height": 1000})
    made = context.new_page()
    made.troubles = []
    made.on("pageerror", lambda error: made.troubles.append(str(error)))
    made.on("console", lambda m: made.troubles.append(m.text) if "Content Security Policy" in m.text else None)
    yield made
    context.close()
    assert made.troubles == []


@contextmanager
def served(*arguments):
    run = subprocess.Popen(
        [sys.executable, "-m", "calque.phases.cli", "explore", *map(str, arguments), "--no-browser"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = run.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + run.stderr.read()
        yield found[0]
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "results.nc"
    cube = explored()
    cubes.write(cube, path, groups={"timing": timing(cube)})
    with served(path) as address:
        yield address


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A hostile cube under a hostile name, and the flags that give its hostile reports."""
    folder = tmp_path_factory.mktemp("evil")
    cube, seconds = hostile_cube()
    cubes.write(cube, folder / f"{hostile('file')}.nc", groups={"timing": seconds})
    flags = []
    for kind, content in hostile_reports(cube).items():
        (folder / f"{kind}.json").write_text(json.dumps(content))
        flags += [f"--{kind}", folder / f"{kind}.json"]
    return folder / f"{hostile('file')}.nc", flags


def opened(page, address):
    page.set_default_timeout(180_000)  # of a page that hangs; no test is about speed
    page.goto(address)
    page.wait_for_function(DRAWN)
    return page


def tab(page, name):
    page.get_by_text(name, exact=True).first.click()
    page.wait_for_function(DRAWN)


def harmless(page):
    assert page.evaluate("window.hits") is None
    assert page.evaluate(COUNT, "img.injected") == 0


def visit(page):
    """Look at every page, open its choices, and point at its pictures."""
    for name in ("Curves", "Pairs", "Words", "Sizes and mixes", "Loss and compute", "Planning", "Runs"):
        tab(page, name)
        harmless(page)
        for canvas in page.locator("main .bk-Canvas, main .bk-CanvasPanel").all()[:4]:
            box = canvas.bounding_box()
            for x, y in ((0.5, 0.5), (0.8, 0.3), (0.3, 0.9)) if box else ():
                page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        harmless(page)


def test_no_name_of_a_cube_becomes_markup_in_served_pages(page, evil):
    path, flags = evil
    with served(path, *flags) as address:
        opened(page, address)
        assert page.title() == path.name
        visit(page)
        tab(page, "Curves")
        for choice in page.get_by_role("combobox").all():
            if choice.evaluate("e => e.tagName") != "SELECT":
                choice.click()
                harmless(page)
                page.get_by_role("heading", level=1).click()  # closes it
        assert page.get_by_text(hostile("run0"), exact=True).count() > 0  # shown as it is
        opened(page, f"{address}?page=runs&runs={hostile('nobody')}")
        assert hostile("nobody") in page.get_by_text("The address names").inner_text()
        harmless(page)


def test_no_name_of_a_cube_becomes_markup_in_a_saved_page(page, evil, tmp_path):
    path, flags = evil
    made = tmp_path / "saved.html"
    command = [sys.executable, "-m", "calque.phases.cli", "explore", path, *flags, "--save", made]
    subprocess.run([*map(str, command)], cwd=ROOT, check=True, capture_output=True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(made.as_uri())
    page.wait_for_function("() => window.Bokeh.documents.length > 0")
    page.get_by_text("Runs", exact=True).first.wait_for()
    for name in ("Curves", "Pairs", "Words", "Sizes and mixes", "Loss and compute", "Planning", "Runs"):
        page.get_by_text(name, exact=True).first.click()
        harmless(page)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_browser_runs_no_script_but_the_pages_own(page, plain):
    opened(page, plain)
    page.evaluate("""() => {
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hits = 1'>")
        const script = document.createElement("script")
        script.textContent = "window.hits = 2"
        document.body.append(script)
        return new Promise((done) => document.querySelector("img").addEventListener("error", () => setTimeout(done)))
    }""")
    assert page.evaluate("window.hits") is None
    assert len(page.troubles) == 2  # both were refused, and the browser says so
    page.troubles.clear()


def test_a_formula_in_a_name_stays_the_name(page, evil):
    path, _ = evil
    with served(path) as address:
        opened(page, f"{address}?metrics=m+%24%24%5Cfrac%7B1%7D%7B2%7D%24%24")
        labels = page.evaluate("""() => [...Bokeh.documents[0]._all_models.values()]
            .filter((model) => model.axis_label?.text).map((model) => model.axis_label.type + model.axis_label.text)""")
        assert f"PlainTextm {TEX}" in labels


def test_a_link_shows_the_page_again(page, plain, chromium):
    opened(page, plain)
    tab(page, "Curves")
    page.get_by_label("parts").select_option("target")
    page.wait_for_function(DRAWN)
    page.get_by_label("colours").select_option("run")
    page.wait_for_function("() => window.location.search.includes('colours')")
    assert parse_qs(urlsplit(page.evaluate("window.location.href")).query) == {"parts": ["target"], "colours": ["run"]}
    tab(page, "Pairs")
    page.get_by_label("pair", exact=True).select_option("de → ru")
    page.wait_for_function("() => window.location.search.includes('pair=')")
    link = page.evaluate("window.location.href")
    assert parse_qs(urlsplit(link).query) == {"page": ["pairs"], "pair": ["de → ru"]}
    context = chromium.new_context()
    other = opened(context.new_page(), link)
    assert other.get_by_label("pair", exact=True).input_value() == "de → ru"
    other.get_by_role("tab", name="Pairs", selected=True).wait_for()
    context.close()
    page.go_back()
    page.wait_for_function("() => !window.location.search.includes('pair=')")
    page.wait_for_function(DRAWN)
    page.get_by_role("tab", name="Pairs", selected=True).wait_for()


POINT = """() => {
    const figure = [...Bokeh.documents[0]._all_models.values()].find((model) => model.type === "Figure")
    const view = Bokeh.index.find_one_by_id(figure.id), frame = view.frame
    const line = figure.renderers.find((one) => one.visible && one.glyph.type === "Line")
    const label = figure.toolbar.tools.find((one) => one.renderers?.includes(line)).formatters["@line"].args.label[0]
    const [tokens, value] = ["tokens", "value"].map((name) => line.data_source.get_column(name))
    const at = view.canvas_view.el.getBoundingClientRect(), i = 12
    return [at.x + frame.x_scale.compute(tokens[i]), at.y + frame.y_scale.compute(value[i]), label, tokens[i]]
}"""


def test_pictures_that_change_name_their_lines_at_the_pointer(page, plain):
    opened(page, plain)
    for label, value in (("token axis", "linear"), ("parts", "target"), ("token axis", "log"), ("parts", "whole")):
        page.get_by_label(label, exact=True).first.select_option(value)
        page.wait_for_function(DRAWN)
    page.wait_for_function("() => document.getElementById('busy').textContent === '' && window.location.search === ''")
    x, y, label, tokens = page.evaluate(POINT)
    page.mouse.move(x, y)
    page.wait_for_function(f"() => ({COUNT})('.bk-tooltip-row-value') >= 5")
    said = page.evaluate(DEEP % "found.slice(0, 5).map((one) => one.innerText)", ".bk-tooltip-row-value")
    assert [*said[:3], said[3]] == [label, "a-s0", "", format_count(tokens)]


def test_a_sign_says_that_a_page_is_drawn_and_that_it_has_ended(page, tmp_path):
    path = tmp_path / "results.nc"
    cubes.write(explored(), path)
    with served(path) as address:
        opened(page, address)
        page.evaluate("""() => {
            const sign = document.getElementById("busy")
            window.signs = []
            new MutationObserver(() => window.signs.push(sign.textContent)).observe(sign, {childList: true})
        }""")
        page.get_by_label("parts").select_option("target")
        page.wait_for_function("() => window.signs.length >= 2")
        assert page.evaluate("window.signs") == ["Drawing …", ""]
    page.wait_for_function("() => document.getElementById('busy').textContent.startsWith('These pages have ended')")


def test_inputs_have_names_and_pages_have_landmarks(page, plain):
    opened(page, plain)
    page.get_by_role("tablist").wait_for()
    for name in ("Curves", "Pairs", "Words", "Loss and compute", "Runs"):
        page.get_by_role("tab", name=name).press("Enter")
        page.wait_for_function(DRAWN)
        page.get_by_role("tab", name=name, selected=True).wait_for()
        for role in ("combobox", "textbox", "checkbox", "slider", "spinbutton"):
            for one in page.get_by_role(role).all():
                snapshot = one.aria_snapshot()
                assert re.match(rf'- {role} "[^"]', snapshot), snapshot
    assert page.get_by_role("main").count() == page.get_by_role("complementary").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "results.nc"
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.get_by_role("status").count() == 1
