"""Token shards on disk or at an address, and training batches read from them."""
