"""The configuration of a run: its settings with defaults, and its form as TOML."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    create_model,
)
from pydantic.fields import FieldInfo

from circuits.errors import InvalidValueError
from circuits.files import read_file
from circuits.limits import (
    MOST_BATCH,
    MOST_EPOCHS,
    MOST_GATES,
    MOST_PARAMETERS,
    MOST_QUBITS,
    MOST_STEPS,
    MOST_WIDTH,
)
from qrnn_qiskit.modes.options import Measured
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.tasks.base import DataSettings

__all__ = [
    "Config",
    "ConfigError",
    "DecayConfig",
    "ModelConfig",
    "RateConfig",
    "TrainConfig",
    "allows_none",
    "config_class",
    "flatten",
    "format_toml",
    "list_keys",
    "read_toml",
]


class ConfigError(InvalidValueError):
    """A configuration that cannot be used; the message names the key and what was expected."""


class Section(BaseModel):
    """A part of the configuration: immutable, without unknown keys, NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class ModelConfig(Section):
    """The kind of the recurrent model, and the arguments of :class:`qrnn_qiskit.QRNN` by name.

    Other kinds use the arguments that they share; see :mod:`qrnn_qiskit.models`. Names (readout,
    ansatz, activation, ...) and ranges are checked by the model itself, which is built before
    anything is written. ``ansatz`` is a family or the path of an OpenQASM 3 file.
    """

    kind: str = Field(
        "qrnn",
        description="qrnn, rnn, lstm, gru, lru, ssm, transformer, hmm, scornn, unitary, qlstm, "
        "staggered, or orthogonal",
    )
    parameters: int | None = Field(
        None,
        le=MOST_PARAMETERS,
        description="trainable parameters of the recurrent model, within 5 %: chooses "
        "controller_hidden, num_layers of a linear controller, or hidden_size; none: as set",
    )
    hidden_size: int = Field(
        32, le=MOST_WIDTH, description="hidden units; unused by qrnn, staggered, orthogonal"
    )
    num_biases: int = Field(2, description="rnn, lstm, gru: bias vectors per gate, 1 or 2")
    memory_bits: int | None = Field(
        None, description="rnn, gru: bits of a hidden unit between steps, 1 to 16; none: floats"
    )
    chrono: int | Literal["auto"] | None = Field(
        None,
        description="lstm: longest memory in steps at the start, for the biases of its gates; "
        "auto: the steps of a sequence; none: start of torch",
    )
    radius: list[float] = Field(
        [0.9, 0.999], description="lru: least and largest |lambda| at the start, below 1"
    )
    max_phase: float = Field(
        2 * math.pi, description="lru: largest phase of lambda at the start, radians per step"
    )
    num_qubits: int = Field(4, le=MOST_QUBITS, description="memory qubits n")
    num_registers: int = Field(
        1,
        le=MOST_QUBITS,
        description="qrnn: registers of n qubits side by side, with no gate between them",
    )
    register_feedback: str = Field(
        "own", description="own: the controller of a register hears only it; shared: all registers"
    )
    num_layers: int = Field(1, le=MOST_GATES, description="layers of the ansatz")
    readout: str = Field("expectation", description="expectation, measured, or none: no feedback")
    observables: str | list[str] | None = Field(
        None,
        description='letters such as "z", "pairs" (all Paulis of one and two qubits), or labels '
        '["ZZII"]; none: X, Y, Z of all qubits',
    )
    feedback_observables: str | list[str] | None = Field(
        None,
        description="expectation: those of them that feed the controller, such as xyz; none: all, "
        "of pairs those of single qubits",
    )
    num_ancillas: int = Field(
        Measured.num_ancillas, description="measured: bits m measured in each step"
    )
    coupling: str = Field(
        Measured.coupling, description="measured: cry, symmetric or direct (no ancilla)"
    )
    coupling_strength: float = Field(
        Measured.coupling_strength,
        description="measured: g in radians, above 0 and up to pi (projective)",
    )
    measured_qubits: list[int] | None = Field(
        None, description="measured: the memory qubit of each bit; none: the ends of the line"
    )
    measured_bases: str = Field(
        Measured.measured_bases, description="measured: X, Y or Z, one for all bits or one for each"
    )
    ancilla_return: str = Field(
        Measured.ancilla_return, description="measured: branch (an X where the bit was 1) or reset"
    )
    measurement_frame: str = Field(
        Measured.measurement_frame,
        description="measured: kept, or undone: each step takes its circuit back at its end",
    )
    bit_feedback: bool = Field(
        Measured.bit_feedback, description="measured: whether the controller receives the bits"
    )
    readout_error: float | list[float] = Field(
        0.0,
        description="measured, simulated: error probability of a bit, or [of 1 for 0, of 0 for 1]",
    )
    step_noise: str | None = Field(
        None,
        description="measured, simulated: noise on every qubit after each measurement, from "
        'depolarizing, dephasing, damping: "damping:0.01,dephasing:0.02"',
    )
    num_trajectories: int | None = Field(
        None,
        le=MOST_BATCH,
        description="measured: sampled states per sequence; none: exact, up to 6 qubits",
    )
    controller_hidden: int | None = Field(
        32, le=MOST_WIDTH, description="hidden units of the controller; none: no hidden layer"
    )
    activation: str = Field("gelu", description="linear (no hidden layer), relu, gelu or glu")
    dropout: float = Field(0.0, description="fraction of hidden units dropped in training")
    ansatz: str = Field(
        "linear", description="linear, ring, brick, product, or the path of an OpenQASM 3 file"
    )
    entangler: str = Field("cz", description="cz, rzz or crx")
    rotations: list[str] = Field(
        ["ry", "rz"], description='rx, ry, rz on every qubit in this order, such as ["ry","rz"]'
    )
    feedback_gain: float | Literal["auto"] = Field(
        1.0, description="factor on the initial feedback weights; auto: 8 / steps, at most 1"
    )
    angle_gain: float = Field(1.0, description="factor on the initial output layer")
    start: str = Field(
        "default", description="default, or oscillators: qubits turn at frequencies of their own"
    )
    frequencies: str | list[float] | None = Field(
        None,
        description="oscillators and ssm, radians per step: linear, log, linear:0.5, period:11 or "
        "a list",
    )
    input_gain: float | None = Field(
        None, description="oscillators and ssm: root mean square of the input weights; none: 0.05"
    )
    slow: float | None = Field(
        None, description="oscillators: bound on the other biases, radians per step; none: 0.003"
    )
    readout_scale: PositiveFloat = Field(1.0, description="factor on the readouts before the head")
    learn_readout_scale: bool = Field(
        False, description="whether training changes the factor on the readouts"
    )
    reset_state: bool = Field(False, description="ablation: |0...0> before every step")
    engine: str = Field(
        "auto",
        description="auto: compiled kernels on CPU and GPU; torch: PyTorch operations",
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="float32 or float64")


class RateConfig(Section):
    """Factors on the learning rate of each part of a model."""

    head: NonNegativeFloat = Field(
        1.0, description="factor on the learning rate of head and embedding"
    )
    controller: NonNegativeFloat = Field(
        1.0, description="factor on the learning rate of the recurrent model but for the biases"
    )
    bias: NonNegativeFloat = Field(
        1.0,
        description="factor on the learning rate of what acts in every step: the angles' biases, "
        "and the eigenvalues of lru and ssm",
    )


class DecayConfig(Section):
    """Factors on the weight decay of each part of a model."""

    head: NonNegativeFloat = Field(
        1.0, description="factor on the weight decay of head and embedding"
    )
    controller: NonNegativeFloat = Field(
        1.0, description="factor on the weight decay of the recurrent model but for the biases"
    )
    bias: NonNegativeFloat = Field(
        1.0,
        description="factor on the weight decay of the angles' biases, and of the eigenvalues of "
        "lru and ssm",
    )


class TrainConfig(Section):
    """How a model is trained: AdamW, learning rate schedule, clipping, stopping and checkpoints."""

    epochs: PositiveInt = Field(50, le=MOST_EPOCHS, description="passes over the training split")
    batch_size: PositiveInt = Field(
        64, le=MOST_BATCH, description="sequences per training step, over all processes"
    )
    evaluation_batch_size: PositiveInt = Field(
        256, le=MOST_BATCH, description="sequences per batch of validation and evaluation"
    )
    learning_rate: PositiveFloat = Field(0.01, description="highest learning rate of AdamW")
    rates: RateConfig = RateConfig.model_validate({})
    weight_decay: NonNegativeFloat = Field(0.0, description="weight decay of AdamW")
    decays: DecayConfig = DecayConfig.model_validate({})
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "cosine", description="decay of the learning rate: constant, cosine or linear"
    )
    warmup_steps: NonNegativeInt = Field(
        0, le=MOST_STEPS, description="steps over which the learning rate rises"
    )
    clip_norm: PositiveFloat | None = Field(
        1.0, description="gradient norm to clip at; none: no clipping"
    )
    patience: PositiveInt | None = Field(
        None,
        le=MOST_EPOCHS,
        description="epochs without a better validation before stopping; none: never",
    )
    device: str = Field("cpu", description="where to train: cpu, cuda, or cuda:1 for a second GPU")
    checkpoint_every: NonNegativeFloat = Field(
        30.0, description="seconds between checkpoints inside an epoch; 0: every step"
    )


class Config(Section):
    """The whole configuration of a run; ``data`` is of the class that the task defines."""

    task: str
    seed: NonNegativeInt = Field(
        0, lt=2**63, description="seed of the initial weights, the order of the batches and dropout"
    )
    model: ModelConfig
    data: DataSettings
    train: TrainConfig

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values and the task's name: the class itself is made anew for each task."""
        return _restore, (self.task, self.model_dump_json())


def _restore(task: str, content: str) -> Config:
    """Return the configuration that was pickled."""
    return config_class(get_task(task).Settings).model_validate_json(content, strict=True)


@cache
def config_class(settings: type[DataSettings]) -> type[Config]:
    """Create the configuration class of a task whose data has these settings."""
    return create_model("Config", __base__=Config, data=(settings, ...))


def list_keys(section: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """List every dotted key below a section, in order, with its field."""
    keys: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= list_keys(field.annotation, f"{prefix}{name}.")
        else:
            keys[prefix + name] = field
    return keys


def allows_none(field: FieldInfo) -> bool:
    """Return whether a key can be switched off with ``none``."""
    return NoneType in get_args(field.annotation)


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested tables to dotted keys: {"train": {"epochs": 3}} is {"train.epochs": 3}."""
    return dict(_walk(tree, ""))


def _walk(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def format_toml(config: Config) -> str:
    """Write the configuration as TOML with every key; None becomes "none", as TOML has no null."""
    return tomli_w.dumps(_write_none(config.model_dump(mode="json")))


def _write_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _write_none(value) if isinstance(value, dict) else "none" if value is None else value
        for name, value in tree.items()
    }


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file.

    Raises:
        ConfigError: The file cannot be read, or is not TOML in UTF-8.
    """
    try:
        return tomllib.loads(read_file(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"the configuration file {path} cannot be read ({error.strerror}); "
            "give the path of a TOML file"
        ) from error
    except (ValueError, RecursionError) as error:  # also for 4,300 digits and 1,000 brackets
        raise ConfigError(f"{path} is not a TOML file in UTF-8: {error}") from error
