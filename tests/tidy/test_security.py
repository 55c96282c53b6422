"""SECURITY.md says how to report, and by when we answer; what it links to is there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()


def test_it_says_how_to_report_and_not_in_the_open():
    assert re.search(r"private", TEXT) and "Report a vulnerability" in TEXT and "do not open a public issue" in TEXT


def test_each_promise_has_its_days_and_they_rise():
    rows = [row for row in TEXT.splitlines() if row.startswith("|") and "days" in row]
    days = [int(re.search(r"(\d+) (?:working )?days", row).group(1)) for row in rows]
    assert len(rows) == 4 and days == sorted(days)


def test_what_it_links_to_is_there():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    for link in links:
        path, _, heading = link.partition("#")
        assert "://" not in path and (ROOT / path).is_file(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
            assert heading in [title.lower().replace(" ", "-") for title in titles], link
