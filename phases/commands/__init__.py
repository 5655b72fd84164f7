"""The subcommands of ``phases``, one a file; ``calque.phases.cli`` puts them together."""
