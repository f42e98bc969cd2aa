"""Processes that train one model together, started by ``torchrun``.

Each takes its share of every batch; gradients, losses and metrics are added up, so that all of them
hold the same weights as a single process would. The first process writes the run.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from circuits.errors import InvalidValueError, OperationError
from qrnn_qiskit.batch_random import Share, hold_share
from qrnn_qiskit.executors import runs_compiled
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.say_once import say_warnings_once

__all__ = ["ALONE", "ProcessLostError", "Processes", "join_processes", "tell_lost"]

PATIENCE = timedelta(minutes=10)
"""A process that does not respond for this time counts as lost."""


class ProcessLostError(OperationError):
    """Another process of this training has died or hangs.

    Args:
        what: What happened, and what to do.
        said: The message of torch, appended at the end.
    """

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(f"{what} (torch: {said})" if said else what)
        self.what = what
        self.said = said


class Processes:
    """The processes of a training, seen from one of them.

    Attributes:
        rank: Number of this process, counted from 0.
        count: Number of processes.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run and shows progress."""
        return self.rank == 0

    def check(self, batch_size: int, executor: Executor | None) -> None:
        """Check that the processes can share the batches.

        Raises:
            ValueError: A batch has fewer sequences than processes, or the executor is a device.
        """
        if self.count == 1:
            return
        if batch_size < self.count:
            raise InvalidValueError(
                f"train.batch_size={batch_size} with {self.count} processes: all of them share the "
                "batch, so each needs at least one sequence; use a larger batch or fewer processes"
            )
        if executor is not None and not runs_compiled(executor):
            raise InvalidValueError(
                f"the device {executor.name!r} with {self.count} processes: several processes "
                "train only on the simulator; omit --on and --gradient, or start one process"
            )

    def open_run(self, make: Callable[[], RunFolder]) -> RunFolder:
        """Open a run that the first process makes, in a folder that all processes can access.

        Args:
            make: Makes the run, in the first process only.

        Raises:
            ProcessLostError: In the other processes, where the first one has failed; it has the
                message of the first one.
        """
        if self.count == 1:
            return make()
        if not self.is_first:
            path, reason = self.tell(None)
            if path is None:
                raise ProcessLostError(reason)
            return RunFolder.open(path)
        path, reason = None, "the first process made no run; its own message gives the reason"
        try:
            run = make()
            path = str(run.path)
        except Exception as error:
            reason = str(error)
            raise
        finally:
            self.tell((path, reason))
        return run

    @contextmanager
    def take_share(self, total: int) -> Iterator[Share]:
        """Yield the share of a batch of ``total`` sequences that this process runs in this context.

        It is every ``count``-th sequence, starting from ``rank``: the share of a smaller batch is
        then the beginning of that of a larger one, and states carried from batch to batch stay in
        place.
        """
        share = Share(slice(self.rank, None, self.count), total)
        if self.rank >= total:
            share = Share(slice(0, 1), total, is_empty=True)
        with hold_share(share):
            yield share

    def add_gradients(self, parameters: Iterable[nn.Parameter], number: float) -> float:
        """Sum the gradients over all processes in place, and return the sum of ``number``.

        A parameter that only some processes have used gets its gradient in all of them; one that
        no process has used keeps None, as with one process.
        """
        if self.count == 1:
            return number
        trained = [each for each in parameters if each.requires_grad]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
        used = [each.grad is not None for each in trained]
        flat = torch.cat([each.flatten() for each in gradients])
        flat = torch.cat(
            (flat, flat.new_tensor([number, *used]))
        )  # the same length in every process
        with _name_lost():
            distributed.all_reduce(flat)
        *parts, last = torch.split(flat, [*(each.numel() for each in trained), 1 + len(trained)])
        total, *users = last.tolist()
        for each, part, number_of_users in zip(trained, parts, users, strict=True):
            each.grad = part.reshape(each.shape).to(each.dtype) if number_of_users else None
        return float(total)

    def agree(self, *flags: bool) -> list[bool]:
        """Return for each flag whether any process has raised it."""
        if self.count == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32)
        with _name_lost():
            distributed.all_reduce(raised)
        return raised.bool().tolist()

    def tell(self, value: Any) -> Any:
        """Return the value of the first process."""
        if self.count == 1:
            return value
        values = [value]
        with _name_lost():
            distributed.broadcast_object_list(values)
        return values[0]

    def collect(self, value: Any) -> list[Any]:
        """Return the values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values = [None] * self.count
        with _name_lost():
            distributed.all_gather_object(values, value)
        return values

    def take_rows(self, fields: dict[str, Tensor | None]) -> dict[str, Any]:
        """Take the share of this process from tensors of a whole batch."""
        rows = slice(self.rank, None, self.count)
        return {name: None if whole is None else whole[rows] for name, whole in fields.items()}

    def collect_rows(self, fields: dict[str, Tensor | None]) -> dict[str, Any]:
        """Collect tensors of a whole batch from the shares; the inverse of :meth:`take_rows`."""
        parts = self.collect({k: None if own is None else own.cpu() for k, own in fields.items()})
        whole: dict[str, Any] = dict(fields)
        for name, own in fields.items():
            if own is not None:
                rows = [part[name] for part in parts]
                whole[name] = own.new_empty(sum(map(len, rows)), *own.shape[1:])
                for rank, part in enumerate(rows):
                    whole[name][rank :: self.count] = part
        return whole


ALONE = Processes()


@contextmanager
def join_processes(device: str = "cpu") -> Iterator[Processes]:
    """Join the processes that ``torchrun`` has started, or a single process otherwise.

    A warning that several of them give in this context is shown once. They communicate by gloo, and
    on ``device="cuda"`` by NCCL, each with a separate GPU. The cores of a machine are divided among
    its processes, within the limit that ``taskset`` sets.

    Raises:
        ProcessLostError: The processes do not connect.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    _divide_cores(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    backend = "gloo"
    if torch.device(device).type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    with _name_lost():
        distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        with say_warnings_once():
            yield Processes(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def _divide_cores(processes: int) -> None:
    # torchrun sets OMP_NUM_THREADS to 1 whatever the number of cores.
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    torch.set_num_threads(max(1, cores // processes))


@contextmanager
def _name_lost() -> Iterator[None]:
    """Convert an error of the transport to a ProcessLostError."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            "another process of this training has died or hangs; its own message, if any, gives "
            "the reason",
            textwrap.shorten(str(error), 300),
        ) from error


@contextmanager
def tell_lost(path: Path) -> Iterator[None]:
    """Add how to continue the run in ``path`` to the error of a lost process."""
    try:
        yield
    except ProcessLostError as error:
        raise ProcessLostError(
            f"{error.what}. The last checkpoint is kept: continue with 'qrnn resume {path}', by "
            "torchrun as before or as a single process",
            error.said,
        ) from error
