"""A state that was put back from a backup signs nothing until a person skips ahead."""

import os
import shutil

import pytest
from click.testing import CliRunner
from test_signer_faults import Leaves, sign_some

from backfence.bootstrap.operator import cli, files, fleet, witness
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.signer import Signer



def put_back_state_alone(directory, backup):
    """As an editor, or rsync, which skips what has not changed."""
    files.write_whole(directory + "/state.json", files.read(backup + "/state.json"), files.SECRET)


def put_back_over_it(directory, backup):
    """As cp -a does: the files that are there are opened and written."""
    shutil.copytree(backup, directory, dirs_exist_ok=True)


def put_back_anew(directory, backup):
    """After the directory was lost, as tar does."""
    shutil.rmtree(directory)
    shutil.copytree(backup, directory)


RESTORED = (put_back_state_alone, put_back_over_it, put_back_anew)


def lived(tmp_path, before=3, since=40):
    """A signer, a backup made of it after `before` signatures, what all have signed until `since` more."""
    made = Signer.create(str(tmp_path / "signer"), width=4)
    leaves = Leaves(made.public)
    sign_some(made.directory, leaves, b"before", before)
    backup = str(tmp_path / "backup")
    shutil.copytree(made.directory, backup)
    sign_some(made.directory, leaves, b"since", since)
    return made.directory, backup, leaves


def forget(directory):
    """The witness is lost."""
    os.remove(witness.path(files.read_json(directory + "/state.json")["id"]))


@pytest.mark.parametrize("put_back", RESTORED)
def test_it_is_refused_and_after_skipping_ahead_no_leaf_signs_twice(tmp_path, put_back):
    directory, backup, leaves = lived(tmp_path)
    put_back(directory, backup)
    on_disk = files.read(directory + "/state.json")
    for _ in range(2):
        with pytest.raises(OperatorError) as refused:
            Signer(directory).sign(b"no")
        assert "--restored" in refused.value.hint
    assert files.read(directory + "/state.json") == on_disk
    Signer(directory).adopt(used=40)
    sign_some(directory, leaves, b"after", 70)


@pytest.mark.parametrize("put_back", RESTORED[1:])
def test_without_the_witness_the_place_still_tells(tmp_path, put_back):
    directory, backup, leaves = lived(tmp_path)
    forget(directory)
    put_back(directory, backup)
    with pytest.raises(OperatorError, match="put back from a backup"):
        Signer(directory).sign(b"no")
    Signer(directory).adopt(used=40)
    sign_some(directory, leaves, b"after", 70)


def test_what_was_seen_here_is_skipped_whatever_the_person_says(tmp_path):
    directory, backup, leaves = lived(tmp_path, since=70)
    put_back_anew(directory, backup)
    Signer(directory).adopt(used=1)
    sign_some(directory, leaves, b"after", 70)


def test_too_few_skipped_and_no_witness_would_be_seen_by_these_checks(tmp_path):
    directory, backup, leaves = lived(tmp_path, since=70)
    forget(directory)
    put_back_anew(directory, backup)
    Signer(directory).adopt()
    with pytest.raises(AssertionError, match="signed twice"):
        sign_some(directory, leaves, b"after", 1)


def test_a_state_older_than_its_end_is_exhausted_not_negative(tmp_path):
    directory, _, _ = lived(tmp_path, since=1)
    Signer(directory).adopt(used=100_000)
    assert Signer(directory).remaining() == 0
    with pytest.raises(OperatorError, match="exhausted"):
        Signer(directory).sign(b"no")


def test_a_witness_that_cannot_be_written_gives_no_signature(tmp_path, monkeypatch):
    directory, _, leaves = lived(tmp_path, since=1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError):
        Signer(directory).sign(b"no")
    monkeypatch.undo()
    sign_some(directory, leaves, b"after", 2)


def test_a_damaged_witness_is_said(tmp_path):
    directory, _, _ = lived(tmp_path, since=1)
    files.write_whole(witness.path(files.read_json(directory + "/state.json")["id"]), b"[]")
    with pytest.raises(OperatorError, match="damaged"):
        Signer(directory).sign(b"no")


def test_the_command_skips_ahead(tmp_path):
    directory = str(tmp_path / "fleet")
    made = fleet.create(directory, width=4)
    shutil.copytree(directory, tmp_path / "backup")
    made.signer.sign(b"m")
    put_back_anew(directory, str(tmp_path / "backup"))
    run = CliRunner().invoke(cli.main, ["init", directory, "--restored", "1"])
    assert run.exit_code == 0 and "may sign again" in run.output and "960 signatures" in run.output, run.output
    assert fleet.Fleet(directory).signer.sign(b"n")
