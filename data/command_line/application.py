"""A command line: its commands, ``--version``, and completion in shells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from calque.data.command_line.command import Command, Program
from calque.data.command_line.quiet import with_quiet


def application(name: str, about: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """Return a command line.

    Parameters
    ----------
    name : str
        The program that a person types.
    about : str
        What it is for, one sentence.
    commands : mapping of str to callable
        The function of every command, by its word, in the order of the help.

    Returns
    -------
    typer.Typer
        It offers ``--version``, ``--install-completion`` and ``--show-completion`` beside the commands, and each of
        these ``--quiet``.
    """
    app = typer.Typer(
        cls=Program, name=name, help=about, no_args_is_help=True, pretty_exceptions_enable=False,
        rich_markup_mode="rich", context_settings={"help_option_names": ["--help", "-h"]},
    )  # fmt: skip

    @app.callback(help=about)
    def program(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        pass

    settings: dict[str, Any] = {"help_option_names": ["--help", "-h"]}
    for word, function in commands.items():
        app.command(word, cls=Command, context_settings=settings)(with_quiet(function))
    return app


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from calque.data.version import code_version

        print(f"{ctx.find_root().info_name} {code_version()} (calque)")
        raise typer.Exit
