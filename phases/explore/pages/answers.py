"""Answers: what the model said to single questions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calque.data.quantities import format_count, plural
from calque.phases.explore.answers import MOST_ROWS, Answers, listed
from calque.phases.explore.elements import note, one_of, shown, table
from calque.phases.explore.page import Page
from calque.phases.explore.series import pair_label

ALL = "(all)"
ANY = ""
"""Value of the choice of everything."""


class AnswersPage(Page):
    """A row a question: prompt, accepted answers, and what came."""

    key = "answers"
    title = "Answers"
    about = "What the model said: a row a question, with the answers that are accepted. Log-probabilities are in nats."

    def build(self) -> None:
        """Make the page's widgets."""
        self.run, self.tokens = one_of("run", [], width=200), one_of("checkpoint", {}, width=110)
        self.task, self.pair = one_of("task", {}, width=120), one_of("pair", {}, width=120)
        self.concept, self.outcome = one_of("concept", {}, width=150), one_of("outcome", {}, width=140)

    @property
    def kept(self) -> dict[str, Any]:
        """Run, checkpoint, task, pair, concept and outcome."""
        if self.study.answers is None:
            return {}
        return {
            "run": self.run, "tokens": self.tokens, "task": self.task, "pair": self.pair, "concept": self.concept,
            "outcome": self.outcome,
        }  # fmt: skip

    def offer(self) -> None:
        """Update what there are answers of: in the runs chosen, then in the run and at the checkpoint."""
        if self.study.answers is None:
            return
        known = self.study.answers.choices
        there = set(known["run"])
        runs = [run for run in self.selection.runs if run in there]
        self._set("run", self.run, {run: run for run in runs}, runs[:1])
        known = known[known["run"] == self.run.value]
        places = sorted(set(known["tokens"]))
        self._set("tokens", self.tokens, {format_count(t) if t else "0": float(t) for t in places}, places[-1:])
        known = known[known["tokens"] == self.tokens.value]
        for name, widget in (("task", self.task), ("concept", self.concept), ("outcome", self.outcome)):
            values = sorted(set(known[name].dropna().astype(str)))
            shows = shown if name != "concept" else str
            self._set(name, widget, {ALL: ANY, **{shows(v): v for v in values}}, [ANY])
        pairs = sorted(set(zip(known["source"].astype(str), known["target"].astype(str), strict=True)))
        self.pairs = {pair_label(*pair): pair for pair in pairs}
        self._set("pair", self.pair, {ALL: ANY, **{label: label for label in self.pairs}}, [ANY])

    def _set(self, name: str, widget: Any, options: dict[str, Any], usual: Iterable[Any]) -> None:
        """Let a widget offer options; what was chosen stays chosen if it still is one."""
        first = next(iter(usual), None)
        self.usual[name] = first
        if widget.options != options:
            value = widget.value if widget.value in options.values() else first
            widget.param.update(options=options, value=value)

    def show(self) -> list[Any]:
        """Return how many answers have which outcome, then the first of them."""
        answers = self.study.answers
        if answers is None:
            return [
                note(
                    "No answers were kept with this cube. A scoring that logs answers writes them beside it "
                    "(a file that ends in .answers.parquet); then they are listed here."
                )
            ]
        if self.run.value is None:
            return [note("Of the chosen runs no answers were kept: choose others at the left.")]
        return self._listed(answers)

    def _listed(self, answers: Answers) -> list[Any]:
        chosen: dict[str, Any] = {"run": self.run.value, "tokens": self.tokens.value}
        chosen |= {k: w.value for k, w in (("task", self.task), ("concept", self.concept), ("outcome", self.outcome))}
        source, target = self.pairs.get(self.pair.value, (ANY, ANY))
        chosen |= {"source": source, "target": target}
        found = answers.find({name: value for name, value in chosen.items() if value != ANY})
        if not found.total:
            return [note("No answer is left: choose fewer conditions.")]
        parts = ", ".join(f"{count:,} {shown(outcome)}" for outcome, count in found.outcomes.items())
        said = f"{plural(found.total, 'answer')}: {parts}."
        if found.total > MOST_ROWS:
            said += f" The first {MOST_ROWS} are listed; choose more conditions for others."
        columns = [name for name in ("outcome", "source", "target", "concept", "task") if chosen[name] == ANY]
        return [note(said), table(listed(found.rows, columns))]
