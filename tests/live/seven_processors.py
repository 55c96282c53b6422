"""Seven processors in one fleet: what `make test-qemu` adds to the mixed fleet of CI."""

import mixed
import pytest

PROCESSORS = ["amd64", "arm64", "armhf", "mips", "mipsel", "riscv64", "s390x", "armhf"]
SEATS, TASKS = 7, 21


@pytest.mark.timeout(1800)
def test_seven_processors_do_one_job_alike_and_one_of_them_is_killed(fleet, push):
    mixed.run(fleet(PROCESSORS, nodes=len(PROCESSORS), settings=mixed.SETTINGS), push, SEATS, TASKS)
