/* What all kernels share: the number of rounds on standard input, the checksum on standard output. */
#include <stdint.h>
#include <unistd.h>

/* Does the work `rounds` times; gives a checksum that depends on all of it. */
uint32_t run(uint32_t rounds);
uint32_t bench(void);

/* The numbers all data comes from: Numerical Recipes' linear congruential generator. */
static uint32_t seed = 1;

static inline uint32_t draw(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

int main(void) {
    char text[16];
    uint32_t rounds = 0;
    ssize_t size = read(0, text, sizeof text);
    for (ssize_t i = 0; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        rounds = rounds * 10 + (uint32_t)(text[i] - '0');
    uint32_t sum = run(rounds);
    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[sum >> (28 - 4 * i) & 15];
    text[8] = '\n';
    return write(1, text, 9) != 9;
}

/* For an interpreter without WASI: whoever runs it writes the rounds over these four bytes. */
static const volatile uint32_t planted = 0xB0B5F00Du;

uint32_t bench(void) {
    return run(planted);
}
