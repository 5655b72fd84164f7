"""What can be counted about the code: modules a folder, lines a file, names a package, documented parameters."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readme import ROOT

PACKAGES = ("calque", "data", "models", "phases", "scaling", "sweeps")
MODULES = 15
LINES = 300
LARGER: dict[str, str] = {}
"""Folders with more modules, each with the reason."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*tops: str) -> list[Path]:
    return [file for top in tops for file in sorted((ROOT / top).rglob("*.py"))]


def test_a_folder_holds_fifteen_modules_at_most() -> None:
    found: dict[str, int] = defaultdict(int)
    for file in files(*PACKAGES):
        found[str(file.parent.relative_to(ROOT))] += file.name != "__init__.py"
    assert not {folder: n for folder, n in found.items() if n > MODULES and folder not in LARGER}
    assert all(found[folder] > MODULES and reason for folder, reason in LARGER.items()), "needs no exception"


def test_a_file_holds_three_hundred_lines_at_most() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in files(*PACKAGES, "tests")}
    assert not {name: n for name, n in lengths.items() if n > LINES}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_class_name_means_one_thing_in_a_package(package: str) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in files(package):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    twice = [f"{name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1]
    assert not twice, report(twice)


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_name_the_parameters(package: str) -> None:
    """A method may leave it to its class, an override to the base class, an option of a command to its help."""
    helped = options_with_help()
    bases = documented_methods()
    missing = []
    for file in files(package):
        if any(part.startswith("_") and part != "__init__.py" for part in file.relative_to(ROOT).parts):
            continue
        for function, owner in public_functions(ast.parse(file.read_text())):
            text = ast.get_docstring(function) or ""
            if owner is not None:
                text += documentation(owner) + "".join(bases[name, function.name] for name in base_names(owner))
            names = [p.arg for p in parameters(function) if not has_help(p, function, helped)]
            absent = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
            if absent:
                name = f"{owner.name}.{function.name}" if owner else function.name
                missing.append(f"{file.relative_to(ROOT)}:{function.lineno} {name}: {', '.join(absent)}")
    assert not missing, report(missing)


@pytest.mark.parametrize("room", ["models", "sweeps/api", "sweeps/checkpoints", "sweeps/score", "sweeps/study"])
def test_public_functions_take_text_for_a_path(room: str) -> None:
    """Functions, and what makes objects; methods of an interface get their folder from our own code."""
    found = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name}: {p.arg}"
        for file in files(room)
        for function, owner in public_functions(ast.parse(file.read_text()))
        if owner is None or function.name in ("__init__", "open")
        for p in parameters(function)
        if p.annotation is not None and ast.unparse(p.annotation) in ("Path", "Path | None")
    ]
    assert not found, report(found)


def report(lines: list[str]) -> str:
    return f"{len(lines)} found\n" + "\n".join(lines)


def public_functions(tree: ast.Module) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Yield the public functions of a module and the methods of its public classes.

    Special methods are left out, whose parameters the language defines, but for ``__init__``; so are the bodies of
    overloads.
    """
    for node in tree.body:
        owner = node if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else None
        for function in owner.body if owner else [node]:
            if not isinstance(function, Function) or "overload" in map(ast.unparse, function.decorator_list):
                continue
            if function.name == "__init__" or not function.name.startswith("_"):
                yield function, owner


def parameters(function: Function) -> list[ast.arg]:
    """Return the parameters that a caller passes."""
    given = function.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [p for p in listed if p is not None and p.arg not in ("self", "cls") and not p.arg.startswith("_")]


def documentation(owner: ast.ClassDef) -> str:
    """Return what a class says of itself, with the names of its attributes."""
    fields = [
        node.target.id for node in owner.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    inits = [n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    return " ".join(["", ast.get_docstring(owner) or "", *fields, *(ast.get_docstring(n) or "" for n in inits), ""])


def base_names(owner: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in owner.bases]


def documented_methods() -> defaultdict[tuple[str, str], str]:
    """Return the docstrings of our methods, by class and method: an override need not repeat them."""
    found: defaultdict[tuple[str, str], str] = defaultdict(str)
    for file in files(*PACKAGES):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, Function):
                        found[node.name, method.name] += f" {ast.get_docstring(method) or ''} {documentation(node)}"
    return found


def options_with_help() -> set[str]:
    """Return the names of options, and of types annotated with them, that several commands share."""
    nodes = [node for file in files(*PACKAGES) for node in ast.parse(file.read_text()).body]
    plain = [(ast.unparse(n.targets[0]), n.value) for n in nodes if isinstance(n, ast.Assign)]
    typed = [(ast.unparse(n.target), n.value) for n in nodes if isinstance(n, ast.AnnAssign)]
    shared: set[str] = set()
    while (known := {name for name, value in plain + typed if is_option(value, shared)}) != shared:
        shared = known
    return shared


def is_option(node: ast.AST | None, shared: set[str]) -> bool:
    """Return whether an annotation or default holds an option with a help text, or a shared one."""
    inside = list(ast.walk(node)) if node is not None else []
    if shared & {ast.unparse(n).rpartition(".")[2] for n in inside if isinstance(n, ast.Name | ast.Attribute)}:
        return True
    return any(keyword.arg == "help" for call in inside if isinstance(call, ast.Call) for keyword in call.keywords)


def has_help(parameter: ast.arg, function: Function, shared: set[str]) -> bool:
    """Return whether the help text of a command documents the parameter; a typer context is no option."""
    if is_option(parameter.annotation, shared | {"Context"}):
        return True
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = dict(zip([p.arg for p in positional[::-1]], given.defaults[::-1], strict=False))
    defaults |= {p.arg: d for p, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None}
    return is_option(defaults.get(parameter.arg), shared)
