/* The product of two matrices of 20 by 20 integers. */
#include "kernel.h"

#define N 20
static int32_t a[N][N], b[N][N], c[N][N];

static void multiply(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

uint32_t run(uint32_t rounds) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (int32_t)(draw() & 1023) - 512;
            b[i][j] = (int32_t)(draw() & 1023) - 512;
        }
    uint32_t sum = 0;
    while (rounds--) {
        multiply();
        for (int i = 0; i < N; i++) {
            sum = sum * 31 + (uint32_t)c[i][i];
            a[i][rounds % N] = (int32_t)(sum >> 22) - 512;
        }
    }
    return sum;
}
