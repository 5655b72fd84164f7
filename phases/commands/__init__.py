"""The subcommands of ``phases``, one a file; ``phases.cli`` puts them together."""
