from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import read_array
from qrnn_qiskit.tasks.data.tables import read_table
from qrnn_qiskit.tasks.series import SeriesSettings

Write = Callable[..., Path]


def test_columns_are_found_by_name_in_any_order(write: Write) -> None:
    table = read_table(write('y, x ,"a, b"\n1,2.5,u\n-3e2, 4 ,v\n'))
    assert table.columns == ("y", "x", "a, b")
    assert np.array_equal(table.read_numbers(["x", "y"]), [[2.5, 1], [4, -300]])
    assert table.read_text("a, b") == ["u", "v"]


def test_byte_order_mark_windows_line_ends_and_trailing_blank_lines_are_read(write: Write) -> None:
    table = read_table(write(b"\xef\xbb\xbftext,label\r\n\xc3\xa9t\xc3\xa9,1\r\n\r\n\r\n"))
    assert table.columns == ("text", "label")
    assert table.read_text("text") == ["été"]


def test_row_counts_data_and_line_counts_lines_of_the_file(write: Write) -> None:
    path = write('text,label\n"two\nlines",a\n\nlast,\n')
    with pytest.raises(DataError, match=r"data\.csv, row 2 \(line 5\): label is empty"):
        read_table(path).read_text("label")


def test_missing_column_lists_the_columns_found_and_the_nearest(write: Write) -> None:
    table = read_table(write("text,labels\na,b\n"))
    with pytest.raises(DataError, match=r"'label' is missing.*'text', 'labels'; did.*'labels'"):
        table.read_text("label")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("", "expected a number, got an empty field"),
        ("high", "expected a number .*got 'high'"),
        ('"1,5"', "expected a number .*got '1,5'"),
        ("nan", "expected a finite number, got 'nan'"),
        ("-inf", "expected a finite number, got '-inf'"),
    ],
)
def test_a_field_that_is_no_number_is_located(write: Write, field: str, message: str) -> None:
    table = read_table(write(f"t,y\n0,1\n1,{field}\n2,3\n"))
    with pytest.raises(DataError, match=rf"row 2 \(line 3\), column 'y': {message}"):
        table.read_numbers(["y"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        ("a,b\n", "has a header but no row of data"),
        ("a,\n1,2\n", "column 2 of the header has no name"),
        ("a,b,a\n1,2,3\n", "has column 'a' twice"),
        ("a,b\n1,2\n1,2,3\n", r"row 2 \(line 3\): expected 2 fields.*got 3"),
        (b"a,b\n1,2\n\xe9,3\n", "line 3: byte 0xe9 is not UTF-8"),
        ('a,b\n1,2\n1,"2\n3,4\n', "line 3: not valid CSV"),
        ("y\n1\n2\n\n4\n", "line 4: is blank"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(
    write: Write, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=rf"data\.csv.*{message}"):
        read_table(write(content))


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv does not exist"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


def test_without_header_the_first_line_is_data(write: Write) -> None:
    table = read_table(write("1,2\n3,4\n"), header=False)
    assert np.array_equal(table.read_numbers(table.columns), [[1, 2], [3, 4]])


def test_array_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects\.npy is not a \.npy file of plain numbers"):
        read_array(path)


def test_truncated_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.npy"
    np.save(path, np.zeros((4, 8, 8)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"short\.npy is not a \.npy file"):
        read_array(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/zero", "a device or a pipe"),
        ("a\0b", "not a path"),
        ("~nobody-here/x.csv", "does not exist"),
    ],
)
def test_paths_that_are_no_files_are_refused(path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(SeriesSettings(file=Path(path), target="y").file)
