"""A digest of the code that computes the statistics: calibrations of different statistics are not put together.

The digest is about what the code computes: it is that of all top-level statements of the modules, sorted. It does not
depend on the file that a function stands in, on how one module imports another, nor on comments and docstrings; a
changed number or formula changes it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "calque.phases"
ROOTS = tuple(f"{PACKAGE}.calibration.{name}" for name in ("outcomes", "draws", "curves", "pathologies.curves"))
"""Modules that simulate and analyse every series."""
IGNORED = ("ctx", "kind", "type_comment", "type_params")
"""Fields of syntax nodes that do not say what code computes, or that only some Python versions have."""


@cache
def source_digest() -> str:
    """Return the digest of the statistics: of ``ROOTS`` and of all that they import from the package."""
    return digest_of(sources(ROOTS, PACKAGE).values(), PACKAGE)


def sources(roots: Sequence[str], package: str) -> dict[str, str]:
    """Return the text of modules and of all that they import from a package, directly or indirectly, by module name.

    Parameters
    ----------
    roots : sequence of str
        Names of modules.
    package : str
        Imports from outside this package are not followed.
    """
    found: dict[str, str] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        path = None if name in found else _path(name)
        if path is not None:
            found[name] = path.read_text(encoding="utf-8")
            todo += imports(found[name], package)
    return found


def imports(source: str, package: str = PACKAGE) -> list[str]:
    """Return the modules of a package that a source imports; imports for type checking alone are left out.

    Parameters
    ----------
    source : str
        Python code, its imports absolute.
    package : str
        Name of the package.
    """
    return [module for module, _, _ in _imported(_stripped(source), package)]


def digest_of(texts: Iterable[str], package: str) -> str:
    """Return the digest of Python sources, whatever their order: 12 hexadecimal digits.

    Parameters
    ----------
    texts : iterable of str
        Python code, one text a module.
    package : str
        What is imported from it counts under the name that it has where it is defined.
    """
    statements = (statement for text in texts for statement in computed(text, package))
    each = sorted(hashlib.sha256(statement.encode()).hexdigest() for statement in statements)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()[:12]


def computed(source: str, package: str) -> list[str]:
    """Return what a source computes: its statements as text, without imports, docstrings and type-checking blocks.

    Parameters
    ----------
    source : str
        Python code.
    package : str
        ``module.name`` with a module of this package, and ``name`` imported from it as something else, become
        ``name``.
    """
    tree = _stripped(source)
    bound = list(_imported(tree, package))
    names = {local: name for _, local, name in bound if name}
    plain = _Plain(names, {local for _, local, name in bound if not name}).visit(tree)
    return [_text(statement) for statement in plain.body]


def _stripped(source: str) -> ast.Module:
    tree = _Stripped().visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    return tree


def _imported(tree: ast.Module, package: str) -> Iterator[tuple[str, str, str]]:
    """Yield (module, local name, name in the module) of imports from a package; the last is empty for modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.name, a.asname or a.name, "") for a in node.names if _within(a.name, package))
        elif isinstance(node, ast.ImportFrom) and _within(node.module or "", package):
            for alias in node.names:
                local, whole = alias.asname or alias.name, f"{node.module}.{alias.name}"
                yield (str(node.module), local, alias.name) if _path(whole) is None else (whole, local, "")


class _Stripped(ast.NodeTransformer):
    """Takes out docstrings, other bare strings, and blocks for type checking."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


class _Plain(ast.NodeTransformer):
    """Takes out imports, and calls things of the package by the names under which they are defined."""

    def __init__(self, names: dict[str, str], modules: set[str]) -> None:
        self.names, self.modules = names, modules

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Name(node.attr) if ast.unparse(node.value) in self.modules else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id))


def _text(node: object) -> str:
    """Return a syntax tree as text without positions, the same in all Python versions."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in IGNORED)
        parts = (f"{name}={_text(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({', '.join(parts)})"
    return f"[{', '.join(map(_text, node))}]" if isinstance(node, list) else repr(node)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _path(module: str) -> Path | None:
    """Return the file of a module; None where there is none of that name."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
