"""What is probed, and how. Light to import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from calque.models.ablations.settings import AblationSettings
from calque.models.components.head_settings import HeadSettings
from calque.models.config.probes import ABLATIONS, COMPONENTS, of_group
from calque.models.layers.settings import LayerSettings

VERSION = 2
"""Of scores, controls and tests: raise it where one of them changes, so that none stands beside an older one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is probed, and how.

    Attributes
    ----------
    probes : tuple of str
        Names.
    heads : HeadSettings
    layers : LayerSettings
    ablations : AblationSettings
    """

    probes: tuple[str, ...]
    heads: HeadSettings = HeadSettings()
    layers: LayerSettings = LayerSettings()
    ablations: AblationSettings = AblationSettings()

    def attributes(self, subject: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the attributes of each group that is asked for: level, settings, a hash of what scores depend on.

        Parameters
        ----------
        subject : mapping
            What identifies the model besides its weights, as JSON-ready values; which probes it asks for while it
            trains is left out.
        """
        said: dict[str, Any] = {"heads": {**asdict(self.heads), "length": self.heads.half}}
        settings = {
            COMPONENTS: {**said, "layers": asdict(self.layers)},
            ABLATIONS: {**said, "ablations": asdict(self.ablations)},
        }
        plain = json.loads(json.dumps(subject))
        for name in ("probes", "probes_every", "probe_length"):
            plain.get("run", {}).get("evaluation", {}).pop(name, None)
        found = {}
        for group, of in settings.items():
            if not of_group(group, self.probes):
                continue
            text = json.dumps({"subject": plain, "version": VERSION, **of}, sort_keys=True)
            found[group] = {
                "level": self.heads.level, "settings_json": json.dumps(of, sort_keys=True),
                "identity": hashlib.sha256(text.encode()).hexdigest()[:12],
            }  # fmt: skip
        return found
