"""What the command lines of ``phases``, ``scaling`` and ``sweeps`` share."""
