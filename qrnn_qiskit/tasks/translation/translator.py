"""An encoder and a decoder, both recurrent models, with attention to the encoder's readouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from qrnn_qiskit.heads import ReadoutScale
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences, TaskModel
from qrnn_qiskit.tasks.data.words import PADDING
from qrnn_qiskit.tasks.translation.attention import SoftAttention
from qrnn_qiskit.tasks.translation.beam_search import search

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["TranslationHead", "Translator"]


class TranslationHead(nn.Module):
    """Predict the next word from a step of the decoder and its context.

    Outputs (B, T, readout_size) are mapped to (B, T, words) through a hidden layer of ``size``
    units.
    """

    def __init__(self, qrnn: RecurrentModel, size: int, words: int, attends: bool) -> None:
        super().__init__()
        width = qrnn.readout_size
        self.scale = ReadoutScale(qrnn)
        self.attention = SoftAttention(width, width, size) if attends else None
        self.hidden = nn.Linear(width + size if attends else width, size)
        self.words = nn.Linear(size, words)

    def forward(
        self, output: Tensor, memory: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits, and the attention weights (B, T, S), None without attention."""
        weights = None
        output, memory = self.scale(output), self.scale(memory)
        if self.attention is not None:
            context, weights = self.attention(output, memory, lengths)
            output = torch.cat((output, context), dim=2)
        return self.words(nn.functional.gelu(self.hidden(output))), weights


class Translator(TaskModel):
    """Translate the words of a sentence (arXiv:2510.25557).

    The last state of the encoder ``qrnn`` is the initial state of the decoder. With targets the
    decoder reads the correct preceding words (teacher forcing), and the prediction is logits
    (B, T, words), of which the log-probabilities (B, T) of the targets are kept. Without targets
    the prediction is tokens (B, max_length), decoded by beam search.
    """

    decodes: ClassVar[bool] = True

    def __init__(
        self,
        encoder: RecurrentModel,
        decoder: RecurrentModel,
        head: TranslationHead,
        embeddings: tuple[nn.Embedding, nn.Embedding],
        *,
        start: int,
        end: int,
        max_length: int,
        beam_width: int,
    ) -> None:
        super().__init__(encoder, head, embeddings[0])
        reference = next(encoder.parameters())
        self.decoder = decoder
        self.target_embedding = embeddings[1].to(reference)
        self.start, self.end = start, end
        self.max_length, self.beam_width = max_length, beam_width

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Return logits where targets are known, otherwise tokens, and the encoder's last state."""
        if not batch.has_targets:
            return self.translate(batch.inputs, batch.lengths, self.beam_width)
        logits, _, state = self._teach(batch)
        return logits, state

    def condense(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Reduce logits to log-probabilities of the targets in nats, 0 for padding; keep tokens."""
        if not batch.has_targets:
            return prediction
        targets = batch.targets[:, :, None]
        logarithms = prediction.log_softmax(dim=-1).gather(2, targets)
        return logarithms.masked_fill(targets == PADDING, 0.0)[:, :, 0]

    def attend(self, batch: Sequences) -> Tensor:
        """Return the weights (B, T, S) of each target step on the source steps.

        Raises:
            ValueError: The model has no attention.
        """
        weights = self._teach(batch)[1]
        if weights is None:
            raise InvalidValueError(
                "this model has no attention; train one with data.attention=true"
            )
        return weights

    def translate(
        self, inputs: Tensor, lengths: Tensor | None, beam_width: int
    ) -> tuple[Tensor, HiddenState]:
        """Return tokens (B, max_length), ended and padded, and the last state of the encoder."""
        memory, state = self._encode(inputs, lengths)
        rows = torch.arange(len(inputs)).repeat_interleave(beam_width)
        remembered, ends = memory[rows], None if lengths is None else lengths[rows]

        def step(last: Tensor, before: HiddenState) -> tuple[Tensor, HiddenState]:
            output, after = self.decoder(self.target_embedding(last[:, None]), before)
            logits, _ = self.head(output, remembered, ends)
            return logits[:, 0].log_softmax(dim=-1), after

        tokens = search(
            step,
            state,
            start=self.start,
            end=self.end,
            padding=PADDING,
            max_length=self.max_length,
            width=beam_width,
        )
        return tokens, state

    def _encode(self, inputs: Tensor, lengths: Tensor | None) -> tuple[Tensor, HiddenState]:
        assert self.embedding is not None
        self.decoder.executor = self.qrnn.executor
        memory, state = self.qrnn(self.embedding(inputs), None, lengths)
        return memory, state

    def _teach(self, batch: Sequences) -> tuple[Tensor, Tensor | None, HiddenState]:
        memory, state = self._encode(batch.inputs, batch.lengths)
        start = batch.targets.new_full((len(batch), 1), self.start)
        before = self.target_embedding(torch.cat((start, batch.targets[:, :-1]), dim=1))
        output, _ = self.decoder(before, state, (batch.targets != PADDING).sum(dim=1))
        logits, weights = self.head(output, memory, batch.lengths)
        return logits, weights, state
