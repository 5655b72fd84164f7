"""Words and questions: the word list, templates, minimal pairs, and what is known of every item."""
