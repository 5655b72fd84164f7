"""The schedule of training: where learning rate and batch change; positions in steps or summed learning rate."""
