/* The primes below 4096, by the sieve of Eratosthenes. */
#include "kernel.h"

#define SIZE 4096
static uint8_t crossed[SIZE];

static uint32_t sieve(void) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < SIZE; i++)
        crossed[i] = 0;
    for (uint32_t i = 2; i < SIZE; i++) {
        if (crossed[i])
            continue;
        sum += i;
        for (uint32_t j = i * i; j < SIZE; j += i)
            crossed[j] = 1;
    }
    return sum;
}

uint32_t run(uint32_t rounds) {
    uint32_t sum = 0;
    while (rounds--)
        sum = sum * 3 + sieve();
    return sum;
}
