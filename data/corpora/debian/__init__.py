"""The ``debian`` corpus: text of Debian packages' documentation and translations, fetched and cleaned on demand."""
