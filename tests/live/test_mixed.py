"""CI's mixed fleet: four processors, both byte orders and both word sizes, in one slice."""

import mixed

PROCESSORS = ["amd64", "armhf", "s390x", "mips", "armhf"]
SEATS, TASKS = 4, 24


def test_four_processors_do_one_job_alike_and_one_of_them_is_killed(fleet, push):
    mixed.run(fleet(PROCESSORS, nodes=len(PROCESSORS), settings=mixed.SETTINGS), push, SEATS, TASKS)
