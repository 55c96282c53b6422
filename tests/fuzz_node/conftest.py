"""The portable tests' fleets, and the mutations of values, are used here too."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "agent"), str(TESTS / "fuzz_decoders")]
