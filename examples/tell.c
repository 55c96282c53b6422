/* tell: tries to tell one box from another; in deterministic mode all must print the same.
 *
 * stdout: what it saw of clocks, randomness, the environment, files, memory it did not
 *         write, the bits of NaNs, how far memory grows, and how deep calls go (which
 *         ends it, by a trap).
 */
#include "tiny.h"

static uint8_t buffer[64];

static void put_line(const char *name, uint64_t value, uint32_t digits) {
    put_text(name);
    put_char(' ');
    put_hex(value, digits);
    put_char('\n');
}

static void tell_clocks(void) {
    for (uint32_t id = 0; id < 5; id++) {
        __wasi_timestamp_t time = 0, resolution = 0;
        put_line("clock errno", __wasi_clock_time_get(id, 1, &time) | __wasi_clock_res_get(id, &resolution) << 8, 4);
        put_line("time", time, 16);
        put_line("resolution", resolution, 16);
    }
    __wasi_subscription_t sleep = {7, {0, {.clock = {1, 1500000000, 0, 0}}}};
    __wasi_event_t event;
    __wasi_size_t count = 0;
    __wasi_timestamp_t time;
    put_line("sleep errno", __wasi_poll_oneoff(&sleep, &event, 1, &count), 4);
    put_line("clock errno", __wasi_clock_time_get(1, 1, &time), 4);
    put_line("time after it", time, 16);
}

static void tell_randomness(void) {
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t random = 0;
        put_line("random errno", __wasi_random_get((uint8_t *)&random, 1 + i * 3), 4);
        put_line("random", random, 16);
    }
}

static void tell_surroundings(void) {
    __wasi_size_t count, size;
    put_line("arguments errno", __wasi_args_sizes_get(&count, &size), 4);
    put_line("arguments", (uint64_t)count << 32 | size, 16);
    put_line("environment errno", __wasi_environ_sizes_get(&count, &size), 4);
    put_line("environment", (uint64_t)count << 32 | size, 16);
    for (uint32_t fd = 0; fd < 5; fd++) {
        uint64_t *words = (uint64_t *)buffer;
        for (uint32_t i = 0; i < 8; i++)
            words[i] = 0;
        uint32_t errno = __wasi_fd_fdstat_get(fd, (__wasi_fdstat_t *)buffer);
        put_line("fdstat", errno ^ words[0] ^ words[1] << 8 ^ words[2] << 16, 16);
        errno = __wasi_fd_filestat_get(fd, (__wasi_filestat_t *)buffer);
        put_line("filestat", errno ^ words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5] ^ words[6], 16);
    }
}

static uint32_t bits32(float x) {
    union { float f; uint32_t u; } both = {x};
    return both.u;
}

static uint64_t bits64(double x) {
    union { double d; uint64_t u; } both = {x};
    return both.u;
}

/* NaNs of all makes, by register and by way of memory. */
static void tell_nans(void) {
    volatile double zero = 0, one = 1, infinity = one / zero;
    volatile float zero32 = 0, stored32;
    volatile union { uint64_t u; double d; } quiet = {0x7ff8000000001234}, loud = {0xfff4000000000001};
    volatile union { uint32_t u; float f; } quiet32 = {0xffc01234}, loud32 = {0x7fa00001};
    double doubles[] = {
        zero / zero, -(zero / zero), infinity - infinity, infinity * zero, __builtin_sqrt(-one), quiet.d,
        loud.d, -quiet.d, __builtin_fabs(loud.d), __builtin_copysign(quiet.d, -one),
        __builtin_copysign(one, quiet.d), __builtin_copysign(one, loud.d), quiet.d + loud.d, loud.d * one,
        __builtin_floor(loud.d), __builtin_trunc(quiet.d), quiet32.f, loud32.f,
    };
    float floats[] = {
        zero32 / zero32, -(zero32 / zero32), quiet32.f, loud32.f, -quiet32.f, __builtin_fabsf(quiet32.f),
        __builtin_copysignf(1, quiet32.f), __builtin_copysignf(loud32.f, -1), quiet.d, loud.d,
        quiet32.f + loud32.f, __builtin_ceilf(loud32.f), __builtin_sqrtf(-1 + zero32),
    };
    for (uint32_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        volatile double stored = doubles[i];
        put_line("double", bits64(doubles[i]), 16);
        put_line("stored", ((volatile uint64_t *)&stored)[0], 16);
    }
    for (uint32_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        stored32 = floats[i];
        put_line("float", bits32(floats[i]), 8);
        put_line("stored", ((volatile uint32_t *)&stored32)[0], 8);
    }
}

static void tell_memory(void) {
    uint32_t sum = 0, page = 0;
    /* Behind the stack and the data nobody has written. */
    for (uint32_t i = 32768; i < 65536; i += 4)
        sum = sum * 31 + *(volatile uint32_t *)i;
    put_line("unwritten", sum, 8);
    while ((page = __builtin_wasm_memory_grow(0, 1)) != UINT32_MAX) {
        put_line("grown from", page, 8);
        put_line("holds", *(volatile uint32_t *)(page * 65536 + 65532), 8);
        *(volatile uint32_t *)(page * 65536 + 65532) = UINT32_MAX;
    }
    put_line("grows by 2^32-1", __builtin_wasm_memory_grow(0, UINT32_MAX), 8);
}

static volatile uint32_t without_end = 1;

__attribute__((noinline)) static uint32_t deeper(uint32_t depth) {
    put_line("depth", depth, 8);
    flush();
    return without_end ? deeper(depth + 1) * depth + without_end : 0;
}

int main(void) {
    tell_clocks();
    tell_randomness();
    tell_surroundings();
    tell_nans();
    tell_memory();
    return deeper(0);
}
