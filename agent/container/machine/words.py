"""Words that the machine and the loop around it share: statuses, and the register file's head."""

# Statuses: why the machine stopped.
DONE, FUEL, HOST, GROW, COPY, FILL, STORED = range(1, 8)
UNREACHABLE, DEPTH, BOUNDS, DIVIDE, OVERFLOW, ELEMENT, EMPTY, MISMATCH = range(8, 16)

TRAPS = {
    UNREACHABLE: "unreachable executed",
    DEPTH: "call depth exceeded",
    BOUNDS: "out of bounds memory access",
    DIVIDE: "integer divide by zero",
    OVERFLOW: "integer overflow",
    ELEMENT: "undefined element",
    EMPTY: "uninitialized element",
    MISMATCH: "indirect call type mismatch",
}

# Words at the start of the register file.
(
    S_FUEL, S_IP, S_RB, S_CP, S_SIZE, S_A, S_B, S_C, S_LIMIT, S_TABLE, S_ENTRIES,
    S_CANONICAL, S_SIGNLESS, S_INF32, S_INF64, S_WORDS,
) = range(16)  # fmt: skip
