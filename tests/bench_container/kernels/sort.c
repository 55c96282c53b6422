/* Heapsort of 512 words. */
#include "kernel.h"

#define COUNT 512
static uint32_t heap[COUNT], data[COUNT];

static void sift(uint32_t at, uint32_t count) {
    uint32_t value = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && heap[child] < heap[child + 1])
            child++;
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

uint32_t run(uint32_t rounds) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        data[i] = draw();
    while (rounds--) {
        for (uint32_t i = 0; i < COUNT; i++)
            heap[i] = data[i] ^ rounds;
        for (uint32_t i = COUNT / 2; i-- > 0;)
            sift(i, COUNT);
        for (uint32_t i = COUNT - 1; i > 0; i--) {
            uint32_t top = heap[0];
            heap[0] = heap[i];
            heap[i] = top;
            sift(0, i);
        }
        for (uint32_t i = 0; i < COUNT; i++)
            sum = sum * 31 + heap[i];
    }
    return sum;
}
