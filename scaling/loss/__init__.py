"""Laws of held-out loss in parameters, tokens and language shares: one law a file, one batched fit for all."""
