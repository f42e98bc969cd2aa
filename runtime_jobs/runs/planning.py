"""Plan a run on a QPU: jobs, QPU seconds and price, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING

from circuits.validation import require_amount
from runtime_jobs.hardware.repetition import Delays, parse_delay
from runtime_jobs.pricing.terms import Terms, read_terms
from runtime_jobs.runs.opening import RunLike, find_delays, open_trained_run
from runtime_jobs.runs.requests import Request, read_request

if TYPE_CHECKING:
    from qrnn_qiskit.executors.gradient_methods import GradientMethod
    from runtime_jobs.hardware.calibration import TrainedLayout
    from runtime_jobs.pricing.costs import Plan
    from runtime_jobs.pricing.work import Work

__all__ = ["Quote", "open_quote", "plan"]


def plan(
    run: RunLike,
    on: str,
    *,
    shots: int | None = None,
    sequences: int | None = None,
    train_steps: int | None = None,
    gradient: str | None = None,
    patches: int | None = 1,
    spacing: int = 0,
    rep_delay: str | float | None = None,
    serial_branches: bool = False,
    limits: str | PathLike[str] | None = None,
    mitigation: str | None = None,
    live: bool = False,
    usd_per_second: float | None = None,
    currency: str | None = None,
) -> Plan:
    """Plan a run on a QPU, as ``qrnn plan`` does. Nothing is sent, and no account is needed.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.
        on: A QPU, such as "ibm:kingston".
        shots: Shots per circuit and measurement basis; required, here or in the name of the QPU.
        sequences: Number of test sequences, the first ones, or the batch size of training steps;
            all test sequences, or the batch size of the run, unless given.
        train_steps: Number of training steps instead of inference.
        gradient: Gradient method of training steps, such as "spsa".
        patches: Number of sequences side by side in one circuit; None takes the best number.
        spacing: Couplers between two patches, at least; 0 lets them touch.
        rep_delay: Repetition delay, such as "50us", or in seconds; the default of the device unless
            given.
        serial_branches: Whether to assume that branches on disjoint qubits run one after another.
        limits: TOML file with limits of the service, price and allowance, see
            :mod:`runtime_jobs.pricing.terms`.
        mitigation: Error mitigation of dynamic circuits: "readout", "feedforward", "zne" or, joined
            by "+", zne with one of the others.
        live: Whether to use today's calibration, from the account at IBM Quantum.
        usd_per_second: Price of a second of QPU time, in ``currency``; 1.60 or that of ``limits``.
        currency: Currency of that price; "USD" or that of ``limits``.

    Returns:
        The plan, a table in a notebook; ``jobs``, ``qpu_seconds``, ``price`` and
        ``reserved_seconds``, the cap that ``submit`` needs.

    Raises:
        DeviceError: The QPU is unknown or too small, does not take the delay, or shots are missing.
        NotReadyError: The run has not finished an epoch.
        InvalidValueError: There are fewer sequences, or the price is negative.
    """
    request = read_request(on, shots, train_steps, gradient, mitigation)
    quote = open_quote(
        run,
        request,
        sequences,
        patches,
        spacing,
        live,
        price=usd_per_second,
        currency=currency,
        rep_delay=rep_delay,
        terms=read_terms(limits, serial_branches=serial_branches),
    )
    return quote.make()


def open_quote(
    run: RunLike,
    request: Request,
    sequences: int | None,
    patches: int | None,
    spacing: int,
    live: bool,
    *,
    price: float | None,
    currency: str | None,
    rep_delay: str | float | None,
    terms: Terms,
) -> Quote:
    """Compile the work of a request; the arguments are those of :func:`plan`."""
    if price is not None:
        price = require_amount("--usd-per-second (in Python usd_per_second)", price)
    opened = open_trained_run(run)
    from runtime_jobs.hardware.calibration import find_trained_layout

    trained = request.load(opened)
    service = None
    if live:
        from runtime_jobs.ibm.service import Service

        service = Service()
    delays = find_delays(request.qpu, service)
    chosen = delays.choose(parse_delay(rep_delay), request.qpu)
    layout = find_trained_layout(opened.provenance, request.qpu)
    work, calibration = request.find_work(
        trained, sequences, patches, spacing, service, terms.limits, layout
    )
    terms = replace(
        terms,
        price_per_second=terms.price_per_second if price is None else price,
        currency=currency or terms.currency,
    )
    return Quote(work, request, calibration, terms, chosen, delays, layout)


@dataclass(frozen=True)
class Quote:
    """The compiled work of a request, and what its plan assumes."""

    work: Work
    request: Request
    calibration: str
    terms: Terms
    rep_delay: float
    delays: Delays
    layout: TrainedLayout | None

    def make(self) -> Plan:
        """Make the plan."""
        return self._plan(self.work, self.request.method)

    def make_others(self) -> dict[str, Plan]:
        """Plan the same work with other patches, readout mode and gradient method, by option."""
        work, method = self.work, self.request.method
        patches = len(work.packing.patches)
        others = {}
        if self.request.calibrates:  # the readout of one set of qubits
            packed = self._plan(work, method)
        elif patches == 1:
            packed = self._plan(work.pack_best(method, self.terms.limits), method)
        else:
            packed = self._plan(work.repack(1), method)
        # One patch is the best packing if a second one costs too much of the coherence.
        if len(packed.patches) != patches:
            others[f"--patches {len(packed.patches)}"] = packed
        # Mitigation is that of dynamic circuits: the replay would have none.
        modes = [] if self.request.mitigation else _list_modes(work, method)
        for mode, suited in modes:
            others[f"model.readout={mode}"] = self._plan(work.in_mode(mode), suited)
        if method is not None:
            for other in _list_methods(work, method):
                others[f"--gradient '{other}'"] = self._plan(work, other)
        return others

    def _plan(self, work: Work, method: GradientMethod | None) -> Plan:
        made = work.plan(
            self.request.shots,
            train_steps=self.request.train_steps,
            gradient=method,
            price_per_second=self.terms.price_per_second,
            currency=self.terms.currency,
            limits=self.terms.limits,
            rep_delay=self.rep_delay,
            delays=self.delays,
            mitigation=self.request.mitigation,
        )
        packing, layout = work.packing, self.layout
        trained_on = None if layout is None else layout.to_dict(packing.target, packing.patches)
        return replace(
            made,
            trained_on=trained_on,
            calibration=self.calibration,
            terms=self.terms.describe(),
            allowance_seconds=self.terms.allowance_seconds,
            allowance_days=self.terms.allowance_days,
        )


def _list_modes(
    work: Work, method: GradientMethod | None
) -> list[tuple[str, GradientMethod | None]]:
    """List the other readout mode, replay or dynamic circuits, with its gradient method."""
    if work.qrnn.measurement is None:
        return [("measured", method)]
    return [("expectation", None if method is None else method.replace_for_replay())]


def _list_methods(work: Work, method: GradientMethod) -> list[GradientMethod]:
    """List the other gradient methods for the same training steps."""
    from qrnn_qiskit.executors.gradient_methods import Coordinates, ParameterShift, Spsa

    others: list[GradientMethod] = [Spsa(), ParameterShift()]
    if work.qrnn.measurement is not None:
        others.append(Coordinates(draws=1))
    return [other for other in others if other.name != method.name]
