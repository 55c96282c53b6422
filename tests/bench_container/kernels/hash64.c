/* FNV-1a of 1 KiB, 64 bits: long integers. */
#include "kernel.h"

static uint8_t data[1024];

uint32_t run(uint32_t rounds) {
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)draw();
    uint64_t h = 0xcbf29ce484222325u;
    while (rounds--)
        for (uint32_t i = 0; i < sizeof data; i++)
            h = (h ^ data[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}
