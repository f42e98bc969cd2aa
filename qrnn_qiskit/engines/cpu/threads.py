"""Share blocks of sequences among the threads of torch.

A second pool of threads beside torch's would compete with it for the processor: OpenMP threads stay
awake for milliseconds after their work. Compiled code therefore calls the OpenMP library that torch
has loaded, and the threads that multiply torch's matrices take the blocks, too.
"""

from __future__ import annotations

import _thread
import ctypes
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import llvmlite.binding
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_SYMBOL = "qrnn_qiskit_fork"  # GOMP_parallel(function, data, number of threads, flags)
WORKER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
FORK = ctypes.CFUNCTYPE(None, WORKER, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
# Below this many amplitudes times steps in a block, waking a thread takes longer than its work.
_WORTH_SHARING = 1 << 8
_RETURN_SECONDS = 0.05  # by then compiled code has returned to Python
_NEXT, _COUNT, _ARGUMENTS = 0, 1, 2  # fields of the C structure that all threads of a call share
_logger = logging.getLogger(__name__)


def count_threads(num_blocks: int, work: int) -> int:
    """Return the number of threads for ``num_blocks`` blocks.

    Args:
        num_blocks: How many blocks there are.
        work: Amplitudes times steps in each block.
    """
    return min(num_blocks, torch.get_num_threads()) if work >= _WORTH_SHARING else 1


def fork_python(worker: Callable[..., None], data: int, count: int, _flags: int) -> None:
    """Do what GOMP_parallel does, with Python threads.

    An exception raised here would reach nobody, and once this returns, compiled code assumes that
    all blocks are done. An interrupt therefore waits for them, and where a thread cannot start, the
    other threads do its work.
    """
    helpers = [threading.Thread(target=worker, args=(data,)) for _ in range(count - 1)]
    calls: list[Callable[[], None]] = [each.start for each in helpers]
    calls += [partial(worker, data), *(each.join for each in helpers)]
    is_interrupted = False
    for call in calls:
        while True:
            try:
                call()
            except KeyboardInterrupt:
                is_interrupted = True
                continue  # call it again: a worker takes the blocks that are left
            except RuntimeError as error:  # no further thread, or joined one that never started
                _logger.debug("one of %d threads did not start or end: %s", count, error)
            break
    if is_interrupted:  # raise it again in the main thread, after compiled code has returned
        threading.Timer(_RETURN_SECONDS, _thread.interrupt_main).start()


def _find_fork() -> Any:
    try:
        return ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, TypeError):  # another OpenMP library than GNU's, or Windows
        return FORK(fork_python)


fork = _find_fork()  # kept alive: compiled code holds only its address
llvmlite.binding.add_symbol(_SYMBOL, ctypes.cast(fork, ctypes.c_void_p).value)


def _share_blocks(typingctx: Any, function: Any, count: Any, threads: Any, arguments: Any) -> Any:
    """``share_blocks(function, count, threads, arguments)`` calls function(i, arguments).

    i runs from 0 to count - 1. For use in compiled code. Each of ``threads`` threads takes the next
    i from a common counter when it is done with one, so that a thread that the system interrupts
    delays one block and not its whole share. ``function`` is a kernel that returns nothing and
    raises nothing.
    """
    called = function.get_call_type(typingctx, (types.intp, arguments), {})
    signature = types.void(function, types.intp, types.intp, arguments)

    def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        _, count, threads, packed = values
        number = count.type
        job_type = ir.LiteralStructType([number, number, packed.type])
        job = cgutils.alloca_once(builder, job_type)
        for field, value in ((_NEXT, number(0)), (_COUNT, count), (_ARGUMENTS, packed)):
            builder.store(value, cgutils.gep_inbounds(builder, job, 0, field))
        worker = _define_worker(context, builder, job_type, function, called)
        data = builder.bitcast(job, cgutils.voidptr_t)
        # One thread calls the worker itself: a parallel region would cost more than a short run.
        one = builder.icmp_signed("<=", threads, threads.type(1))
        with builder.if_else(one) as (alone, together):
            with alone:
                builder.call(worker, [data])
            with together:
                unsigned = ir.IntType(32)
                fork_type = ir.FunctionType(
                    ir.VoidType(), [worker.type, cgutils.voidptr_t, unsigned, unsigned]
                )
                fork = cgutils.get_or_insert_function(builder.module, fork_type, _SYMBOL)
                builder.call(fork, [worker, data, builder.trunc(threads, unsigned), unsigned(0)])
        return context.get_dummy_value()

    return signature, codegen


def _define_worker(
    context: Any, builder: Any, job_type: ir.Type, function: Any, called: Any
) -> ir.Function:
    """Define the C function of a thread, which takes the next block until there is none."""
    compiled = function.dispatcher.get_compile_result(called)
    context.active_code_library.add_linking_library(compiled.library)
    module = builder.module
    worker_type = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
    worker = ir.Function(module, worker_type, module.get_unique_name("share_blocks_worker"))
    worker.linkage = "internal"
    entry, body, leave = (worker.append_basic_block(name) for name in ("entry", "body", "leave"))
    inner = ir.IRBuilder(entry)
    job = inner.bitcast(worker.args[0], job_type.as_pointer())
    next_block = cgutils.gep_inbounds(inner, job, 0, _NEXT)
    count = inner.load(cgutils.gep_inbounds(inner, job, 0, _COUNT))
    arguments = inner.load(cgutils.gep_inbounds(inner, job, 0, _ARGUMENTS))
    take = worker.append_basic_block("take")
    inner.branch(take)
    inner.position_at_end(take)
    block = inner.atomic_rmw("add", next_block, count.type(1), "seq_cst")
    inner.cbranch(inner.icmp_signed("<", block, count), body, leave)
    inner.position_at_end(body)
    context.call_internal_no_propagate(inner, compiled.fndesc, called, [block, arguments])
    inner.branch(take)
    inner.position_at_end(leave)
    inner.ret_void()
    return worker


share_blocks: Any = intrinsic(_share_blocks)
