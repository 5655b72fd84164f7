"""``phases explore``: pages in the browser over one cube, served to this machine alone."""
