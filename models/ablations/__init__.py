"""What breaks when a part of a model is taken away or exchanged; the model itself stays as it was."""
