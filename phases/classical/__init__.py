"""Classical models of a change, beside the dictionary: segmented lines, mean shifts, hidden Markov, growth curves."""
