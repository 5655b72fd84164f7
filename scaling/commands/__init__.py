"""The subcommands of ``scaling``, one a file."""
