"""A command of the command line: what it refuses, and how it names its options in errors."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from calque.data.command_line.mistakes import in_one_line
from calque.data.command_line.naming import naming
from calque.data.errors import StoppedError, UserError, nearest, shown

OUTPUTS = ("output", "out", "html", "csv", "json", "json_file", "save", "picture")
"""Parameters that name a file to be written."""


class Command(TyperCommand):
    """A command that refuses options which are not finite, and shows parameters in errors as its own flags.

    Functions name their parameters in backticks: ```boot` is 5; expected at least 19``. Where the command has a
    parameter of that name, a person reads ``--boot is 5; ...``. A value that came from the user stands in quotes.
    ```tokenizer=False``` is shown as the flag that switches an option off, ``--no-tokenizer``.

    Parameters
    ----------
    help : str
        What ``--help`` says; a paragraph's lines are joined.
    args, kwargs
        As click's command takes them.
    """

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, help=_reflow(help or ""), **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words that were typed.

        Parameters
        ----------
        ctx : typer.Context
            Of the call.
        args : list of str
            The words.

        Returns
        -------
        list of str
            Words that are left.

        Raises
        ------
        UserError
            When an option that takes one value is given twice: which of them is meant is not known. When an option
            stands where the value of the one before it is expected. For what typer refuses, in one line.
        """
        single = {
            name: p for p in self.params if p.param_type_name == "option" and not p.multiple for name in p.opts
            if not getattr(p, "is_flag", False)
        }  # fmt: skip
        words = args[: args.index("--")] if "--" in args else args
        valued = {
            name for p in self.params if p.param_type_name == "option" and not getattr(p, "is_flag", False)
            for name in p.opts
        }  # fmt: skip
        flags = {name for p in self.params for name in (*p.opts, *p.secondary_opts) if name.startswith("--")}
        for word, after in pairwise(words):
            if word in valued and after in flags:
                raise UserError(f"{word} is followed by {after}; expected its value between them (see --help)")
        seen: set[int] = set()
        for word in words:
            option = single.get(word.partition("=")[0])
            if option is not None and id(option) in seen:
                raise UserError(f"{option.opts[0]} is given twice; expected it once")
            seen |= {id(option)} if option is not None else set()
        with in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Parameters
        ----------
        ctx : typer.Context
            The parsed parameters of the call.

        Returns
        -------
        object
            What the command returns.

        Raises
        ------
        UserError
            When an option is not finite, when a file that is read would be written over, or from the command itself;
            the message names the option as its flag. After Ctrl-C a :class:`calque.data.errors.StoppedError`.
        """
        for parameter in self.params:
            given = ctx.params.get(parameter.name or "")
            for value in given if isinstance(given, list | tuple) else (given,):
                if isinstance(value, float) and not math.isfinite(value):
                    raise UserError(f"{parameter.opts[0]} is {value}; expected a finite number")
        self._keep_apart(ctx.params)
        try:
            with naming(self.with_flags), _stopping():
                return super().invoke(ctx)
        except UserError as error:
            error.args = (self.with_flags(str(error)),)
            raise

    def _keep_apart(self, given: Mapping[str, Any]) -> None:
        """Refuse to write over a file that is read, or two outputs into one file."""
        shown = {parameter.name: parameter.opts[0] for parameter in self.params}
        read: dict[Path, str] = {}
        for name, value in given.items():
            if name not in OUTPUTS:
                for one in value if isinstance(value, list | tuple) else (value,):
                    if isinstance(one, str | os.PathLike) and os.path.isfile(one):
                        read[Path(one).resolve()] = os.fspath(one)
        written: dict[Path, str] = {}
        for name in OUTPUTS:
            value = given.get(name)
            if not isinstance(value, str | os.PathLike) or value == "-":
                continue
            path = Path(value).resolve()
            if path in read:
                raise UserError(f"{shown[name]} is {value}, which is read; expected another file: it would be lost")
            if path in written:
                raise UserError(f"{written[path]} and {shown[name]} are both {value}; expected two files")
            written[path] = shown[name]

    def with_flags(self, message: str) -> str:
        """Return a message with parameters in backticks replaced by this command's options and arguments."""
        names: dict[str, str] = {}
        for parameter in self.params:
            is_option = parameter.param_type_name == "option"
            shown = (
                parameter.opts[0] if is_option else getattr(parameter, "metavar", None) or str(parameter.name).upper()
            )
            names |= {name: shown for name in (parameter.name or "", parameter.opts[0].lstrip("-").replace("-", "_"))}
            if is_option and parameter.secondary_opts:
                names[f"{parameter.name}=False"] = parameter.secondary_opts[0]
            names.setdefault(f"{parameter.name}s", shown)  # ``metrics`` of a function is ``--metric`` given again
        return re.sub(r"`(\w+(?:=False)?)`", lambda found: names.get(found[1], found[0]), message)


class Program(TyperGroup):
    """A command line of several commands, which says in one line what it does not know."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before the command's own; a :class:`UserError` for what is unknown.

        Parameters
        ----------
        ctx : typer.Context
            Of the call.
        args : list of str
            The words.
        """
        with in_one_line(), _stopping():
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that was typed; a :class:`UserError` where there is none of that name.

        Parameters
        ----------
        ctx : typer.Context
            Of the call.
        args : list of str
            The words.
        """
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise UserError(
                f"there is no command {shown(args[0])}; expected one of {', '.join(self.commands)}"
                + nearest(args[0], list(self.commands))
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed; Ctrl-C while its words are read, or its modules, ends it with one line.

        Parameters
        ----------
        ctx : typer.Context
            Of the call.
        """
        with _stopping():
            return super().invoke(ctx)


def _reflow(text: str) -> str:
    """Return help in which every paragraph is one line, for the terminal to break where it ends."""
    paragraphs = re.split(r"\n\s*\n", text.replace("``", "'"))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


@contextmanager
def _stopping() -> Iterator[None]:
    """Raise Ctrl-C as a :class:`StoppedError`: typer would exit without a word."""
    try:
        yield
    except (KeyboardInterrupt, SystemError) as error:  # SystemError: Ctrl-C came while compiled code ran
        if not _interrupted(error):
            raise
        raise StoppedError("stopped by Ctrl-C") from None


def _interrupted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
