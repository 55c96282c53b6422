"""The journal: what was synced stays whole, what a kill cut is not there."""

import os

import pytest

from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.journal import RECORD_BYTES, Journal

RECORDS = [b"one", b"", bytes(range(256)) * 3, b"four"]


def written(path):
    journal = Journal(str(path))
    for record in RECORDS:
        journal.append(record)
    journal.sync()
    journal.close()
    return path.read_bytes()


def test_records_come_back_in_their_order_and_by_their_place(tmp_path):
    written(tmp_path / "log")
    journal = Journal(str(tmp_path / "log"))
    found = list(journal)
    assert [record for _, record in found] == RECORDS
    assert [journal.read(place) for place, _ in found] == RECORDS
    assert list(Journal(str(tmp_path / "none"))) == []


def test_cut_at_every_byte_it_holds_whole_records_and_takes_more(tmp_path):
    whole = written(tmp_path / "log")
    held = set()
    for end in range(len(whole) + 1):
        path = tmp_path / f"cut-{end}"
        path.write_bytes(whole[:end])
        found = [record for _, record in Journal(str(path))]
        assert found == RECORDS[:len(found)]
        held.add(len(found))
        journal = Journal(str(path))
        journal.append(b"more")
        journal.close()
        assert [record for _, record in Journal(str(path))] == found + [b"more"]
    assert held == {0, 1, 2, 3, 4}


def test_a_changed_byte_is_not_a_record(tmp_path):
    whole = bytearray(written(tmp_path / "log"))
    whole[-1] ^= 1
    (tmp_path / "log").write_bytes(whole)
    journal = Journal(str(tmp_path / "log"))
    assert [record for _, record in journal] == RECORDS[:3]
    with pytest.raises(OperatorError, match="damaged"):
        journal.read(len(whole) - 12 - len(RECORDS[3]))


def test_a_disk_that_is_full_in_the_midst_of_a_record_leaves_the_others(tmp_path, monkeypatch):
    written(tmp_path / "log")
    journal = Journal(str(tmp_path / "log"))
    journal.append(b"five")
    real = journal._file

    class Full:
        def __getattr__(self, name):
            return getattr(real, name)

        def write(self, view):
            real.write(view[:5])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_file", Full())
    with pytest.raises(OSError):
        journal.append(b"six")
    monkeypatch.setattr(journal, "_file", real)
    journal.append(b"seven")
    journal.close()
    assert [record for _, record in Journal(str(tmp_path / "log"))] == RECORDS + [b"five", b"seven"]


def test_one_process_writes_at_a_time_and_others_read(tmp_path):
    first, second = Journal(str(tmp_path / "log")), Journal(str(tmp_path / "log"))
    first.append(b"one")
    with pytest.raises(OperatorError, match="another process"):
        second.append(b"two")
    assert [record for _, record in second] == [b"one"]
    first.close()
    second.append(b"two")
    assert [record for _, record in first] == [b"one", b"two"]
    second.close()


def test_a_record_that_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        Journal(str(tmp_path / "log")).append(bytes(RECORD_BYTES + 1))
    assert not os.path.exists(tmp_path / "log")
