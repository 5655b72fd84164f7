"""A folder of parquet files laid out as FineWeb-2 on the hub, for tests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CONFIGS = ("deu_Latn", "fin_Latn")
FILES, ROWS = 3, 200


def texts(config: str, file: int) -> list[str]:
    """Return the documents of a file, about 100 bytes each."""
    return [f"{config} file {file} row {row}: grüße 世界 " + "some more words " * (row % 9) for row in range(ROWS)]


def write(root: Path, configs: tuple[str, ...] = CONFIGS) -> Path:
    """Write the card and the files, with the columns of FineWeb-2 that matter."""
    card = ["---", "license: odc-by", "configs:"]
    for config in configs:
        card += [f"- config_name: {config}", "  data_files:"]
        for split in ("train", "test"):
            card += [f"  - split: {split}", f"    path: data/{config}/{split}/*"]
            (root / "data" / config / split).mkdir(parents=True)
        for file in range(FILES):
            table = pa.table({"text": texts(config, file), "id": [f"{config}-{i}" for i in range(ROWS)]})
            path = root / "data" / config / "train" / f"000_{file:05}.parquet"
            pq.write_table(table.append_column("language_score", pa.array([0.9] * ROWS)), path, row_group_size=64)
        pq.write_table(pa.table({"text": ["not to be read"], "id": ["x"], "language_score": [1.0]}),
                       root / "data" / config / "test" / "000_00000.parquet")  # fmt: skip
    (root / "README.md").write_text("\n".join([*card, "---", "# A data set", ""]), encoding="utf-8")
    return root
