"""How the pages leave this program: the server on loopback, the saved file, and what browsers may run of them."""
