"""CSV files as pandas, Excel and other programs write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError
from qrnn_qiskit.tasks.data.spreadsheet import escape_cell, write_csv
from qrnn_qiskit.tasks.data.tables import read_table
from qrnn_qiskit.tasks.text import TextSettings

Write = Callable[..., Path]


@pytest.fixture
def notes(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", NOTES.name)
    return caplog


def test_an_index_without_a_name_is_read_as_pandas_names_it(write: Write) -> None:
    table = read_table(write(",text,label\n0,a,x\n1,b,y\n"))
    assert table.columns == ("Unnamed: 0", "text", "label")
    assert table.read_text("text") == ["a", "b"]


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")]
)
def test_another_separator_is_found_and_named(
    write: Write, notes: pytest.LogCaptureFixture, separator: str, name: str
) -> None:
    lines = ["text,label", '"one, two",x', '"three",y']
    content = "\n".join(line.replace(",", separator) for line in lines)
    table = read_table(write(content.replace("one; two", "one, two")))
    assert table.columns == ("text", "label")
    assert f"fields are separated by {name}" in notes.text


def test_separators_within_the_texts_of_a_comma_file_change_nothing(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    table = read_table(write("text,label\na; b,x\nc; d,y\n"))
    assert table.read_text("text") == ["a; b", "c; d"]
    single = read_table(write("text\na; b\nc; d; e\n"))
    assert single.read_text("text") == ["a; b", "c; d; e"]
    assert notes.text == ""


def test_commas_within_the_texts_of_a_semicolon_file_change_nothing(write: Write) -> None:
    table = read_table(write("text;label\na good film, really;x\nno;y\n"))
    assert table.read_text("text") == ["a good film, really", "no"]


def test_a_row_of_another_width_is_named_with_any_separator(write: Write) -> None:
    with pytest.raises(DataError, match=r"row 2 \(line 3\): expected 2 fields.*got 3"):
        read_table(write("a;b\n1;2\n1;2;3\n"))


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n'])
def test_the_first_line_of_excel_sets_the_separator(write: Write, first: str) -> None:
    path = write(first + "a;b\n1;2\n3;\n")
    assert read_table(path).read_text("a") == ["1", "3"]
    with pytest.raises(DataError, match=r"row 2 \(line 4\): b is empty"):
        read_table(path).read_text("b")


def test_decimal_commas_are_read_where_commas_do_not_separate(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    table = read_table(write("t;y\n0;1,5\n1;-2\n2;,25\n3;1,5e3\n"))
    assert table.read_numbers(["y"])[:, 0].tolist() == [1.5, -2, 0.25, 1500]
    assert "commas are decimal commas, as in '1,5'" in notes.text


@pytest.mark.parametrize("field", ["1.5", "1.234,5", "1,2,3", "1 000", "1_000"])
def test_a_number_beside_decimal_commas_is_never_guessed(write: Write, field: str) -> None:
    table = read_table(write(f"t;y\n0;1,5\n1;{field}\n"))
    with pytest.raises(DataError, match=rf"row 2 \(line 3\), column 'y'.*got '{field}'"):
        table.read_numbers(["y"])


@pytest.mark.parametrize("field", ["1_000", "\uff11", "0x10", "1e", "--1", "1 2", "NA", "1d5"])
def test_python_spellings_of_numbers_are_refused(write: Write, field: str) -> None:
    with pytest.raises(DataError, match=rf"expected a number .*got '{field}'"):
        read_table(write(f"t,y\n0,{field}\n")).read_numbers(["y"])


@pytest.mark.parametrize("field", ["1e999", "-1e400", "Infinity", "+NaN"])
def test_a_number_out_of_range_is_refused(write: Write, field: str) -> None:
    with pytest.raises(DataError, match="expected a finite number"):
        read_table(write(f"t,y\n0,{field}\n")).read_numbers(["y"])


def test_a_cell_of_200000_characters_is_read_and_the_limit_of_csv_stays(write: Write) -> None:
    before = csv.field_size_limit()
    table = read_table(write(f"text,label\n{'a' * 200_000},x\n"))
    assert len(table.read_text("text")[0]) == 200_000
    assert csv.field_size_limit() == before
    with pytest.raises(DataError, match=r"got 'a+…'"):
        table.read_numbers(["text"])


def test_empty_columns_and_rows_of_excel_are_dropped(write: Write) -> None:
    table = read_table(write("a,,b,,\n1,,2,,\n3, ,4,,\n,,,,\n,,,,\n"))
    assert table.columns == ("a", "b")
    assert np.array_equal(table.read_numbers(["b", "a"]), [[2, 1], [4, 3]])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
def test_another_encoding_is_read_by_its_name_and_otherwise_hinted_at(
    write: Write, encoding: str
) -> None:
    path = write("text,label\nété,x\nhiver,y\n".encode(encoding))
    assert read_table(path, encoding=encoding).read_text("text") == ["été", "hiver"]
    with pytest.raises(DataError, match=rf"not.*UTF-8; .*set data\.encoding.*{encoding[:6]}"):
        read_table(path, encoding="utf-8")
    with pytest.raises(DataError, match="save the file in UTF-8"):
        read_table(path)


def test_a_file_that_is_cut_is_not_blamed_on_its_encoding(write: Write) -> None:
    path = write("text,label\na,x\n".encode("utf-16")[:-1])
    with pytest.raises(DataError, match="is not UTF-16; the file is damaged or cut"):
        read_table(path, encoding="utf-16")


def test_a_mark_of_utf_8_has_precedence(write: Write) -> None:
    path = write(b"\xef\xbb\xbftext,label\n\xc3\xa9,x\n")
    assert read_table(path, encoding="cp1252").read_text("text") == ["é"]


def test_utf_8_that_is_read_in_another_encoding_is_doubted(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    read_table(write("text,label\nété,x\n"), encoding="cp1252")
    assert "valid UTF-8" in notes.text


@pytest.mark.parametrize("name", ["utf-9", "hex", "rot13", "", "a\0b"])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="expected an encoding that Python knows"):
        TextSettings(file=Path("x.csv"), encoding=name)


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PK\x03\x04", "Excel workbook"), (b"\xd0\xcf\x11\xe0", "Excel"), (b"\x1f\x8b", "gzip")],
)
def test_a_workbook_is_named(write: Write, start: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=kind):
        read_table(write(start + b"\0" * 50))


def test_column_names_are_compared_in_one_unicode_form(write: Write) -> None:
    table = read_table(write("te\u0301,b\n1,2\n"))
    assert table.read_text("t\u00e9") == table.read_text("te\u0301") == ["1"]


def test_rows_without_a_text_are_named_and_left_out(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    table = read_table(write("id,text\n1,a\n2,\n3, \n4,b\n"))
    assert table.read_filled("text") == (["a", "b"], [1, 4])
    assert "text is empty in rows that are left out: 2, 3" in notes.text
    with pytest.raises(DataError, match="text is empty in all 1 rows"):
        read_table(write("id,text\n1,\n")).read_filled("text")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "-1+1", "=1"]
)
def test_a_text_that_a_spreadsheet_would_run_is_escaped(cell: str) -> None:
    assert escape_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-1", "+2.5e-3", -1.5, 7, "a=b", "'=1", "", "1-2"])
def test_numbers_and_other_texts_stay(cell: str | float) -> None:
    assert escape_cell(cell) == cell


def test_header_and_rows_are_escaped() -> None:
    file = io.StringIO()
    write_csv(file, ["row", "=y+1"], [[1, -0.5], [2, "=HYPERLINK()"]], line_end="\n")
    assert file.getvalue() == "row,'=y+1\n1,-0.5\n2,'=HYPERLINK()\n"


def test_a_message_lists_the_first_of_many_columns(write: Write) -> None:
    names = ",".join(f"c{number}" for number in range(500))
    with pytest.raises(
        DataError, match=r"'c18', 'c19' and 480 more; did you mean 'c\d+'"
    ) as caught:
        read_table(write(names + "\n" + ",".join(["1"] * 500))).find_column("c500")
    assert len(str(caught.value)) < 1000
