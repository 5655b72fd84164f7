"""The ladder of sizes as a table: ``python -m calque.models.config.size_table`` prints that of docs/MODELS.md."""

from __future__ import annotations

from calque.models.config.sizes import LADDER, size

VOCABULARY, CONTEXT = 131_072, 4096


def markdown() -> str:
    """Return shapes, parameters and training FLOPs per token of the ladder, with the full vocabulary and context."""
    lines = [
        "| size | width | layers | heads (keys) | SwiGLU | non-embedding | in all | MFLOPs a token | of it the head |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in LADDER:
        shape = size(name, VOCABULARY)
        parts = shape.flops_parts(CONTEXT)
        whole = sum(parts.values())
        lines.append(
            f"| `{name}` | {shape.width} | {shape.layers} | {shape.heads} ({shape.kv_heads}) | {shape.ffn_width} "
            f"| {shape.n_params_non_embedding:,} | {shape.n_params:,} | {whole / 1e6:,.0f} "
            f"| {parts['head'] / whole:.0%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
