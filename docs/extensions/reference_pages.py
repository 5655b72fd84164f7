"""Pages of the reference, written before each build from what the code itself registers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

import calque

EXAMPLE = "For example:"
"""Begins the last paragraph of a command's help."""

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PROGRAMS = {
    "phases": "when a capability begins: from numbers to transitions",
    "scaling": "laws across sizes and mixes, forecasts, simulated cubes, power",
    "sweeps": "studies of pretraining runs, and the models that one already has",
}


def write_pages(app: Sphinx) -> None:
    """Write every page whose text has changed."""
    folder = Path(app.srcdir, "reference")
    folder.mkdir(exist_ok=True)
    pages = {
        "metrics": metrics(),
        "cube": cube(),
        "estimands": estimands(),
        "probes": probes(),
        "laws": laws(),
        "python": python(),
        **{program: commands(program, about) for program, about in PROGRAMS.items()},
    }
    for name, text in pages.items():
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def metrics() -> str:
    """Return the page of the metrics that are known by name."""
    from calque.data.metrics import METRICS

    rows = [
        (f"`{m.name}`", m.about, m.label, m.metric_kind, names(m.variables), "yes" if m.standard else "",
         f"`{m.logprob}`" if m.logprob else "")
        for m in METRICS.values()
    ]  # fmt: skip
    head = ("metric", "what", "axis", "kind", "from", "standard", "checked against")
    return page(
        "Metrics",
        "What scoring writes and analyses ask about (`calque.data.metrics`). Any variable of (run, checkpoint, ...) "
        "of a cube is a metric too, where it says its `metric_kind`. The *standard* ones are the default.",
        table(head, rows),
    )


def cube() -> str:
    """Return the page of the variables of a cube."""
    from calque.data.cube.variables import ATTRIBUTES, SCHEMA
    from calque.data.metrics import VARIABLES

    rows = []
    for name, attributes in ATTRIBUTES.items():
        dimensions = ("run", "checkpoint", *VARIABLES[name]) if name in VARIABLES else ()
        rows.append(
            (f"`{name}`", ", ".join(dimensions), attributes.get("units", ""), attributes["long_name"],
             str(attributes.get("flag_meanings", "")).replace(" ", ", "))
        )  # fmt: skip
    return page(
        "Variables of the cube",
        f"The variables that schema {SCHEMA} names, with their attributes (`calque.data.cube.variables`). "
        "[What a cube is](../CUBE.md), and what its groups hold.",
        table(("variable", "scored over", "units", "meaning", "flags"), rows),
    )


def estimands() -> str:
    """Return the page of estimands and outcomes."""
    from calque.phases.wording_of_estimands import ESTIMANDS
    from calque.phases.wording_of_outcomes import MEANINGS

    rows = [(f"`{name}`", meaning.about, meaning.units) for name, meaning in ESTIMANDS.items()]
    outcomes = [("`found`", "the question is answered; a location without a mark is `found`")]
    outcomes += [(f"`{outcome.value}`", text) for outcome, text in MEANINGS.items()]
    return page(
        "Estimands and outcomes",
        "What `phases detect` reports of every series. [Methods](../METHODS.md) has the formulas.",
        table(("estimand", "what", "units"), rows),
        "## Outcomes\n",
        table(("outcome", "meaning"), outcomes),
    )


def probes() -> str:
    """Return the page of the probes of a model's heads."""
    from calque.models.components.heads import PROBES as OF_HEADS
    from calque.models.config.probes import PROBES, SETS

    heads = [(f"`{p.name}`", p.about, p.units, p.kind, p.control, p.source) for p in OF_HEADS.values()]
    groups = [(f"`{name}`", group, next(word for word, of in SETS.items() if name in of))
              for group, members in PROBES.items() for name in members]  # fmt: skip
    return page(
        "Probes",
        "Scores of a model's components at a checkpoint: `sweeps probe`, or `evaluation.probes` of a study. "
        "[Components](../COMPONENTS.md) says how they are computed, and in which units.",
        table(("probe", "group of the cube", "set"), groups),
        "## Of heads\n",
        table(("probe", "score", "units", "kind", "control", "source"), heads),
    )


def laws() -> str:
    """Return the page of the laws across sizes."""
    from calque.scaling.laws.registry import LAWS
    from calque.scaling.loss.law import LAWS as OF_LOSS

    rows = [(f"`{name}`", first_sentence(law)) for name, law in LAWS.items()]
    loss = [(f"`{name}`", first_sentence(law)) for name, law in OF_LOSS.items()]
    return page(
        "Laws",
        "[Scaling](../SCALING.md) has formulas, fits and measured errors.",
        "## Of a takeoff over sizes (`scaling fit`)\n",
        table(("law", "what"), rows),
        "## Of held-out loss (`scaling loss`)\n",
        table(("law", "what"), loss),
    )


def commands(program: str, about: str) -> str:
    """Return the page of the commands of one program, from their own help."""
    app = get_command(import_module(f"calque.{program}.cli").app)
    parts = [
        f"Commands of `{program}`: {about}. Every command takes `--help` and `--quiet`.\n",
        f"`{program} --install-completion` lets the shell in which it is typed, bash or zsh, complete commands and "
        f"options from its next start; `{program} --show-completion` prints what it adds.\n",
    ]
    for name, command in app.commands.items():  # type: ignore[attr-defined]
        words = [written(p) for p in command.params if p.param_type_name == "argument"]
        parts.append(f"## `{program} {name}`\n")
        parts.append(f"```text\n{program} {name} {' '.join(words)} [options]\n```\n")
        said, _, example = (command.help or "").partition(EXAMPLE)
        parts.append(inspect.cleandoc(said) + "\n")
        parts.append(f"```text\n{example.strip()}\n```\n")
        rows = [option(p, command.context_class(command)) for p in command.params if p.name != "help"]
        parts.append(table(("option", "value", "by default", "what"), rows))
    return page(f"`{program}`", *parts)


def option(parameter: Any, context: Any) -> tuple[str, str, str, str]:
    """Return the row of an option or argument."""
    is_argument = parameter.param_type_name == "argument"
    valued = not is_argument and not getattr(parameter, "is_flag", False)
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    default = getattr(default, "value", default)
    empty = default in (None, False, (), "") or callable(default) or parameter.required
    flags = written(parameter) if is_argument else ", ".join((*parameter.opts, *parameter.secondary_opts))
    kind = (parameter.metavar or parameter.display_type(context)).strip("<>") if valued else ""
    return f"`{flags}`", kind, "" if empty else f"{default}", parameter.help or ""


def written(parameter: Any) -> str:
    """Return an argument as usage lines write it."""
    name = parameter.metavar or parameter.name.upper()
    name += "..." if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def python() -> str:
    """Return the page of the functions at the door, and of their results, from their docstrings."""
    functions = [name for name in calque.__all__ if name != "UserError"]
    parts = ["```{eval-rst}\n.. currentmodule:: calque\n```\n"]
    for name in functions:
        parts.append(f"## `calque.{name}`\n\n```{{eval-rst}}\n.. autofunction:: calque.{name}\n```\n")
    parts.append("## Further functions\n\nOf commands that are not at the door.\n")
    for path in further():
        parts.append(f"### `{path.rpartition('.')[2]}`\n\n```{{eval-rst}}\n.. autofunction:: {path}\n```\n")
    parts.append("## Results\n")
    parts.append("What the functions return; each also has what `Result` has.\n")
    for kind in results():
        path = f"{kind.__module__}.{kind.__qualname__}"
        parts.append(
            f"### `{kind.__name__}`\n\n```{{eval-rst}}\n.. autoclass:: {path}\n   :members:\n   :no-index:\n```\n"
        )
    parts.append("## Errors\n\n```{eval-rst}\n.. autoclass:: calque.data.errors.UserError\n```\n")
    return page(
        "From Python",
        "`import calque` loads neither numpy nor torch; a function loads what it needs when it is first called. "
        "Commands that answer a question are functions with the same options and defaults (`phases import` is "
        "`import_log`). A cube is an `xarray.Dataset`, a path, or a result that holds one.\n",
        'On a dataset, `ds.calque.rates("translation")` gives a metric with binomial and cluster intervals; '
        "`ds.calque.trajectory(...)`, `ds.calque.plot(...)` and `ds.calque.flags()` go with it. A mistake raises "
        "`calque.UserError` with one sentence: what came, what was expected, the remedy.\n",
        *parts,
    )


def further() -> list[str]:
    """Return the paths of the functions behind commands that are not at the door."""
    door = {getattr(calque, name) for name in calque.__all__}
    found = []
    for program in PROGRAMS:
        for file in sorted(Path(import_module(f"calque.{program}.api").__path__[0]).glob("[a-z]*.py")):
            function = getattr(import_module(f"calque.{program}.api.{file.stem}"), file.stem, None)
            if inspect.isfunction(function) and function not in door:
                found.append(f"calque.{program}.api.{file.stem}.{file.stem}")
    return found


def results() -> list[type]:
    """Return the classes of results, the base first, in the order of the door."""
    from calque.data.result import Result

    for program in PROGRAMS:
        for name in sorted(Path(import_module(f"calque.{program}.api").__path__[0]).glob("[a-z]*.py")):
            import_module(f"calque.{program}.api.{name.stem}")
    found: list[type] = [Result]
    waiting = list(Result.__subclasses__())
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if not kind.__name__.startswith("_"):
            found.append(kind)
    return found


def first_sentence(thing: Any) -> str:
    """Return the first line of what a registered object says of itself."""
    kind = thing if isinstance(thing, type) else type(thing)
    return getattr(thing, "about", None) or (inspect.getdoc(kind) or "").partition("\n")[0]


def names(values: Iterable[str]) -> str:
    """Return names as code, with commas between."""
    return ", ".join(f"`{value}`" for value in values)


def page(title: str, *parts: str) -> str:
    """Return a page in Markdown."""
    return "\n".join([f"# {title}\n", *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar within a cell is escaped."""
    lines = ["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        lines.append("| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages when the builder starts, before files are looked for."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
