"""The pages of ``phases explore``, one a file."""
