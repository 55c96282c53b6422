"""The portable tests' fleets and vectors are where good inputs come from."""

import sys
from pathlib import Path

AGENT = Path(__file__).resolve().parents[1] / "agent"
sys.path[:0] = [str(AGENT.parent), str(AGENT), str(AGENT / "wire")]
