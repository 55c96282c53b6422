"""A batch goes on when an interpreter dies, and the fewest cases that kill it are named."""

import random

import batches
import cases

# Instead of device.py: dies of the fuel 77, and of 71 if it met 70 before.
DEADLY = '''
import json, sys
import uctypes
met = False
for number, line in enumerate(open(sys.argv[1])):
    fuel = json.loads(line)["fuel"]
    print("begin %d translated" % number)
    met = met or fuel == 70
    if fuel == 77 or met and fuel == 71:
        uctypes.bytearray_at(0, 8)[0] = 1
    print("end {}")
print("done")
'''


def test_a_death_is_bisected(monkeypatch, tmp_path):
    device = tmp_path / "device.py"
    device.write_text(DEADLY)
    monkeypatch.setattr(batches, "DEVICE", device)
    case = cases.generated(random.Random(1), 10)
    fuels = (1, 2, 77, 3, 70, 5, 6, 71, 8)
    records = list(batches.run("micropython", [dict(case, fuel=fuel) for fuel in fuels]))
    assert [number for number, _, _ in records] == list(range(len(fuels)))
    died = {number: record for number, _, record in records if "raised" in record}
    assert sorted(died) == [2, 7]
    assert {record["raised"] for record in died.values()} == {"killed by signal 11"}
    assert [case["fuel"] for case in died[2]["repeats"]] == [77]
    assert [case["fuel"] for case in died[7]["repeats"]] == [70, 5, 6, 71]
