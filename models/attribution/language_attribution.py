"""Attribution to the language of the training text: which language's text made a loss of words change, and where.

Formula: along each segment of training from theta to theta', which is one step or several, the change of a loss L is
the integral from 0 to 1 of grad L(theta + s (theta' - theta)) times (theta' - theta); it is split over components, and
over the parts of theta' - theta (``moments``): those of each class of training text, weight decay, and what is left.
Nats; below 0 the text lowered the loss. The integral is by Simpson's rule, in float64, with twice as many points until
the parts sum to the change within 1 %. Segments are added up between checkpoints. Interval: Student's over clusters of
concepts. Sources: ExPLAIND (arXiv 2505.20076) and loss-change allocation (Lan et al. 2019, arXiv 1909.01440).

Cost: a forward and a backward pass more a step, in parts by class; 3 passes of all questions a segment, more where they
do not sum. Memory: 28 bytes a parameter for each class, and 84. Training is observed and not changed. The second moment
is shared: what the text of one language does to the step size of the others is not apart.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from calque.data.errors import UserError
from calque.models.ablations.intervals import mean_interval
from calque.models.ablations.simpson import integrals
from calque.models.attribution.layout import Layout
from calque.models.attribution.moments import ClassMoments
from calque.models.attribution.pair_losses import PairLosses
from calque.models.attribution.text_classes import TextClasses, class_gradients
from calque.models.config.attribution import AttributionConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.reading.families import model_parts
from calque.models.training.compiling import run_eagerly
from calque.models.training.train_step import TrainStep

LOG = logging.getLogger("calque")
DECAY, REST = "weight decay", "rest"
"""Parts of an update that are of no class of text; the rest is rounding, and momentum from before it was observed."""
Array = NDArray[np.float64]


class LanguageAttribution:
    """Observes training (:class:`~calque.models.training.observer.StepObserver`).

    Parameters
    ----------
    settings : AttributionConfig
    losses : PairLosses
    text : TextClasses
        Of the training batches.

    Attributes
    ----------
    table : xarray.Dataset or None
        From the checkpoint before the last to the last; None before there are two.
    seconds : float
        Its duration since the checkpoint before.
    """

    def __init__(self, settings: AttributionConfig, losses: PairLosses, text: TextClasses) -> None:
        self.settings, self.losses, self.text = settings, losses, text
        self.trained_on = (*text.streams, DECAY, REST)
        self.table: xr.Dataset | None = None
        self.seconds = self._seconds = 0.0

    def begin(self, training: TrainStep) -> None:
        """Observe this ``training``."""
        config, decoder = training.config, training.decoder
        self.training = training
        self.objective = Objective(
            decoder, config.z_loss, training.begins if config.attention == "document" else ()
        )  # not the compiled one
        self.layout = Layout(model_parts(decoder))
        self.moments = ClassMoments(self.layout, training.optimizer, self.text.streams)
        copy = Decoder(decoder.config, drawn=False).double().to(self.moments.moments.device)
        self.probed = model_parts(copy)
        self.probed_layout = Layout(self.probed)
        self.start: Tensor | None = None
        self._restart()

    def _restart(self) -> None:
        """Begin to add up for the next checkpoint."""
        pairs, clusters = len(self.losses.pairs), self.losses.clusters
        shape = (pairs, clusters, len(self.trained_on), len(self.layout.components))
        self.parts: Array = np.zeros(shape)
        self.whole: Array = np.zeros(pairs)
        self.gap: Array = np.zeros(pairs)
        self.points: Array = np.zeros(pairs)
        self.segments = 0

    def before_update(
        self, step: int, batch: Tensor, targets: Tensor | None, scale: Tensor | float, factor: Tensor | float
    ) -> None:
        """Take the part of each class in the gradient; arguments as the interface has them.

        Parameters
        ----------
        step, batch, targets, scale, factor
            As :class:`~calque.models.training.observer.StepObserver` has them.
        """
        began = time.monotonic()
        self.before = self.layout.vector()
        if self.start is None:
            self.start = self.before
        with run_eagerly(self.training.compiled):
            gradients = class_gradients(
                self.objective, self.layout, batch, self.text.row_streams(step), targets, scale,
                self.training.micro_batch_size,
            )  # fmt: skip
        self.moments.take(gradients, factor)
        self._seconds += time.monotonic() - began

    def after_update(self, step: int) -> None:
        """Take the parts of the update; integrate where a segment ends after ``step``."""
        began = time.monotonic()
        self.moments.moved_from(self.before)
        if (step + 1) % self.settings.every == 0:
            self._integrate()
        self._seconds += time.monotonic() - began

    def _integrate(self) -> None:
        """Add the changes of the losses along the segment up to here, in parts."""
        if self.start is None:
            return
        start, whole = self.start.double(), self.layout.vector().double() - self.start.double()
        directions, clusters = self.moments.directions(whole), range(self.losses.clusters)

        def at(t: float, which: Sequence[int]) -> tuple[Array, Array]:
            self.probed_layout.set(start + t * whole)
            values = np.zeros((len(which), len(clusters)))
            slopes = np.zeros((len(which), *self.parts.shape[1:]))
            for i, pair in enumerate(which):
                for cluster in clusters:
                    loss = self.losses.loss(self.probed, pair, cluster)
                    gradient = torch.autograd.grad(loss, self.probed_layout.parameters, allow_unused=True)
                    values[i, cluster] = float(loss.detach())
                    slopes[i, cluster] = (
                        self.layout.by_component(directions, self.probed_layout.vector(gradient)).cpu().numpy()
                    )
            return values, slopes

        found = integrals(at, len(self.losses.pairs), tolerance=self.settings.tolerance)
        if (found.gap > self.settings.tolerance).any():
            worst = int(found.gap.argmax())
            LOG.warning(
                "attribution: the parts of %s sum to its change within %.2g only, with %d points; lower `every`",
                self.losses.pairs[worst], found.gap[worst], found.points[worst],
            )  # fmt: skip
        self.parts += found.parts
        self.whole += found.whole
        self.gap = np.maximum(self.gap, found.gap)
        self.points += found.points
        self.segments += 1
        self.start = None
        self.moments.restart()

    def at_checkpoint(self) -> None:
        """End the segment, and make the table since the checkpoint before."""
        began = time.monotonic()
        self._integrate()
        self.table = self._table() if self.segments else None
        self._restart()
        self.seconds, self._seconds = self._seconds + time.monotonic() - began, 0.0

    def _table(self) -> xr.Dataset:
        by_cluster = self.parts.transpose(3, 2, 0, 1)
        mean, low, high = mean_interval(by_cluster, self.settings.level)
        dims = ("component", "trained_on", "pair")
        return xr.Dataset(
            {
                "attribution": (dims, mean, {
                    "units": "nat", "long_name": "part of a component's update by this text in the change of the loss",
                }),
                "attribution_low": (dims, low), "attribution_high": (dims, high),
                "attribution_by_cluster": ((*dims, "cluster"), by_cluster),
                "whole": ("pair", self.whole, {"units": "nat", "long_name": "change since the checkpoint before"}),
                "gap": ("pair", self.gap, {
                    "units": "1", "long_name": "largest difference of the parts' sum from the change of a segment",
                }),
                "points": ("pair", self.points), "segments": ((), float(self.segments)),
            },
            {
                "component": list(self.layout.components), "trained_on": list(self.trained_on),
                "pair": list(self.losses.pairs),
            },
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Return moments, what was added up since the checkpoint, and the open segment where there is one."""
        found = {f"moment.{name}": row for name, row in zip(self.text.streams, self.moments.moments, strict=True)}
        if self.segments:
            added = {"parts": self.parts, "whole": self.whole, "gap": self.gap, "points": self.points}
            found |= {name: torch.from_numpy(values) for name, values in added.items()}
            found["segments"] = torch.tensor(self.segments)
        if self.start is not None:
            found |= {"start": self.start, "decayed": self.moments.decayed}
            found |= {f"moved.{name}": row for name, row in zip(self.text.streams, self.moments.moved, strict=True)}
        return found

    def go_on_from(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a ``state``. Moments that it lacks are 0: what the optimizer holds of them is of the rest.

        Raises
        ------
        UserError
            When it was added up of other pairs, clusters or text.
        """
        for name, moment, moved in zip(self.text.streams, self.moments.moments, self.moments.moved, strict=True):
            for key, row in ((f"moment.{name}", moment), (f"moved.{name}", moved)):
                if key in state:
                    row.copy_(state[key])
        if "start" in state:
            self.start = state["start"].to(self.moments.decayed.device)
            self.moments.decayed.copy_(state["decayed"])
        if "parts" in state:
            if tuple(state["parts"].shape) != self.parts.shape:
                raise UserError(
                    "training.attribution has other pairs, clusters or text than the state from which the run goes on; "
                    "give the same again, or choose another results folder"
                )
            self.parts, self.whole, self.gap, self.points = (
                state[name].numpy().copy() for name in ("parts", "whole", "gap", "points")
            )
            self.segments = int(state["segments"])
