"""Pictures and report of runs: complete, valid HTML, and nothing loaded from outside."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
import torch
from matplotlib.image import imread

from qrnn_qiskit.pictures.run import draw_run
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ledger import JobRequest, Ledger
from runtime_jobs.report.content import summarize

pytestmark = pytest.mark.training

TINY = ["num_qubits=2", "num_layers=1", "controller_hidden=4", "epochs=1"]
REQUEST = JobRequest(
    device="ibm_kingston",
    round="round 1, job 1",
    circuit_hashes=("a",),
    parameters_hash="b",
    options="{}",
    target_hash="c",
    circuits=1234,
    shots=500,
    max_execution_time=9,
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a replayed run with every part of a report, and of one in measured mode."""
    folders = {}
    for readout in ("expectation", "measured"):
        folder = tmp_path_factory.mktemp("runs") / f"{readout} <b>&"
        settings = [word for key in [*TINY, f"readout={readout}"] for word in ("--set", key)]
        assert run(["train", "digits", *settings, "--out", str(folder)]) == ExitCode.DONE
        folders[readout] = folder
    folder = folders["expectation"]
    for device in ("aer", "aer?shots=50"):
        words = ["evaluate", str(folder), "--on", device, "--sequences", "3"]
        assert run(words) == ExitCode.DONE
    (last,) = (folder / "evaluations").glob("0003-*.json")
    content = json.loads(last.read_text())
    content["metrics"]["recall"] = {"value": 0.5, "standard_error": None}
    last.write_text(json.dumps(content))
    with Ledger(folder) as ledger:
        job = ledger.intend(REQUEST, cap=20)
        ledger.record_sent(job.tag, "job-77")
        ledger.record_result(job.tag, b"")
        ledger.record_usage(job.tag, 3.5)
    tuned = {"gradient": "spsa", "shots": 500, "losses": [1.25, 1.125]}
    (folder / "tuned.json").write_text(json.dumps(tuned))
    assert run(["show", str(folder)]) == ExitCode.DONE
    return folders


def read(folder: Path) -> Element:
    """The document as browsers parse it; invalid HTML raises."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse((folder / "report.html").read_bytes())


def read_table(page: Element, caption: str) -> list[list[str]]:
    (table,) = (
        table
        for table in page.iter("table")
        if "".join(table.find("caption").itertext()).startswith(caption)
    )
    return [["".join(cell.itertext()) for cell in row] for row in table.find("tbody")]


@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_the_page_is_valid_and_loads_nothing(reports: dict[str, Path], readout: str) -> None:
    page = read(reports[readout])
    addresses = [
        value
        for element in page.iter()
        for name, value in element.attrib.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert addresses
    assert not [a for a in addresses if not a.startswith(("#", "data:"))]
    assert "url(" not in "".join(page.find("head").itertext())
    assert not list(page.iter("script"))
    assert page.get("lang") == "en"
    assert page.find("head/title").text == f"digits: {readout} <b>&"
    anchors = {element.get("id") for element in page.iter("section")}
    assert anchors == {link.get("href")[1:] for link in page.iter("a")}


@pytest.mark.parametrize(
    ("readout", "names"),
    [
        ("expectation", ["evaluations", "training", "confusion", "readouts", "bloch", "entropy"]),
        ("measured", ["training", "confusion", "recurrence", "outcomes", "readouts", "bloch"]),
    ],
)
def test_all_pictures_are_in_the_page_and_in_the_folder(
    reports: dict[str, Path], readout: str, names: list[str]
) -> None:
    images = list(read(reports[readout]).iter("img"))
    contents = {base64.b64decode(image.get("src").partition(",")[2]) for image in images}
    files = list((reports[readout] / "pictures").glob("*.png"))
    assert {file.stem for file in files} >= {*names, "entropy", "controller", "step"}
    assert {file.read_bytes() for file in files} == contents
    for content in contents:
        pixels = imread(io.BytesIO(content))
        assert pixels.shape[1] > 400
        assert pixels[..., :3].std() > 0.05  # not an empty page
    assert all(len(image.get("alt")) > 40 for image in images)


def test_all_evaluations_are_listed_with_their_errors(reports: dict[str, Path]) -> None:
    folder = reports["expectation"]
    rows = read_table(read(folder), "All evaluations")
    files = sorted((folder / "evaluations").glob("*.json"))
    found: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files]
    assert [row[1] for row in rows] == ["simulator", "aer", "aer?shots=50"]
    for row, content in zip(rows, found, strict=True):
        accuracy = content["metrics"]["accuracy"]
        low, high = accuracy["interval"]
        assert row[6] == f"{accuracy['value']:.4f} (95 %: {low:.4f} to {high:.4f})"
        assert high - low > 0.05
        floor = content["metrics"]["majority_accuracy"]
        assert row[7].startswith(f"{floor['value']:.4f} (95 %: ")
    assert [row[8] for row in rows] == ["", "", "0.5000"]  # a metric that came later
    assert [row[4] for row in rows] == ["exact", "exact", "50"]
    errors = read_table(read(folder), "Readouts of devices")
    assert [row[:2] for row in errors] == [["2", "aer"], ["3", "aer?shots=50"]]
    assert float(errors[0][2]) < 1e-5 < float(errors[1][2])


def test_the_headline_is_the_full_test_on_the_simulator_and_then_each_device(
    reports: dict[str, Path],
) -> None:
    folder = RunFolder.open(reports["expectation"])
    simulator, aer, sampled = summarize(folder).split("; ")
    full = folder.read_evaluations()[0]["sequences"]
    assert full > 3
    assert simulator.startswith("accuracy ")
    assert simulator.endswith(f"on {full} test sequences, run on simulator")
    assert aer.endswith("on 3 test sequences, run on aer")
    assert sampled.endswith("on 3 test sequences, run on aer?shots=50")
    page = read(folder.path)
    facts = dict(map(tuple, read_table(page, "Training in numbers")))
    model = folder.provenance["model"]["parameters"]
    assert f"of which {model:,} are in the recurrent model" in facts["trainable parameters"]
    titles = ["".join(each.itertext()) for each in page.iter("h3")]
    assert f"Actual and predicted classes of {full} test sequences on the simulator" in titles


def test_jobs_and_their_seconds_are_listed(reports: dict[str, Path]) -> None:
    page = read(reports["expectation"])
    ((number, job, device, does, circuits, shots, state, seconds, most, _),) = read_table(
        page, "Jobs sent to a service: 3.5 QPU s charged"
    )
    assert (number, job, device, does) == ("1", "job-77", "ibm_kingston", "round 1, job 1")
    assert (circuits, shots, state, seconds, most) == ("1,234", "500", "done", "3.5", "9")
    assert read_table(page, "Steps of training") == [["1", "1.2500"], ["2", "1.1250"]]
    assert "jobs" not in {
        section.get("id") for section in read(reports["measured"]).iter("section")
    }


def test_the_page_gives_the_provenance_of_the_run(reports: dict[str, Path]) -> None:
    folder = reports["expectation"]
    page = read(folder)
    provenance = json.loads((folder / "provenance.json").read_text())
    shown = dict(map(tuple, read_table(page, "Where the run comes from")))
    assert shown["data_sha256"] == provenance["data_sha256"]
    assert shown["versions torch"] == torch.__version__.split("+")[0]
    settings = dict(map(tuple, read_table(page, "Every setting")))
    assert settings["model.num_qubits"] == "2"
    assert settings["train.patience"] == "none"
    assert provenance["data_sha256"] in "".join(page.find("body/header").itertext())


def test_pictures_without_a_report_from_python(reports: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(reports["measured"], tmp_path / "copy")
    shutil.rmtree(copy / "pictures")
    files = draw_run(copy)
    assert sorted(files) == sorted((copy / "pictures").iterdir())
