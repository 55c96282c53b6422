/* How many ways six queens stand on a board of 6 by 6, by recursion over bits: calls. */
#include "kernel.h"

#define ALL 63u

__attribute__((noinline)) static uint32_t place(uint32_t columns, uint32_t left, uint32_t right) {
    if (columns == ALL)
        return 1;
    uint32_t ways = 0;
    uint32_t free = ALL & ~(columns | left | right);
    while (free) {
        uint32_t bit = free & -free;
        free ^= bit;
        ways += place(columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return ways;
}

/* Unknown to the compiler, which would else count once for all rounds. */
static volatile uint32_t empty;

uint32_t run(uint32_t rounds) {
    uint32_t sum = 0;
    while (rounds--)
        sum = sum * 31 + place(empty, 0, 0) + rounds;
    return sum;
}
