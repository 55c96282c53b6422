"""The `backfence` command, whole: its manners are in commands.py, its verbs in cli_*.py.

The verbs that make a fleet are in cli_fleet.py, those for who writes jobs in cli_job.py, those
that push work in cli_work.py and cli_map.py, those that look in cli_show.py, those of slices and
queries in cli_slice.py and cli_scale.py, those of firmware in cli_firmware.py and cli_rollout.py,
those of whom to believe in cli_trust.py, those of the keys themselves in cli_root.py and
cli_subtree.py, those of lots in cli_lot.py, those of tenants in cli_tenant.py, those of measured
service in cli_credit.py and cli_works.py, the one that asks the scale model in cli_plan.py.
"""

import importlib
import sys

from .commands import main

# cli_NAME.py each.
VERBS = (
    "credit",
    "firmware",
    "fleet",
    "job",
    "lot",
    "map",
    "plan",
    "rollout",
    "root",
    "scale",
    "show",
    "slice",
    "subtree",
    "tenant",
    "trust",
    "work",
    "works",
)

for _name in VERBS:
    importlib.import_module(".cli_" + _name, __package__)

if __name__ == "__main__":
    sys.exit(main())
