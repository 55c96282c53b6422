/* CoreMark as a kernel: the rounds come from standard input, and the checksum is
 * over what CoreMark says of its own results; if it finds them wrong, this traps.  Time is
 * taken from outside; its clock is a job's, in milliseconds. */
#include <stdarg.h>
#include <time.h>

#include "coremark.h"

#include "kernel.h"

volatile ee_s32 seed1_volatile = 0;
volatile ee_s32 seed2_volatile = 0;
volatile ee_s32 seed3_volatile = 0x66;
volatile ee_s32 seed4_volatile = 0;
volatile ee_s32 seed5_volatile = 0;
ee_u32 default_num_contexts = 1;

int coremark_main(void);

static uint32_t sum;
static int validated;
static CORE_TICKS begun, ended;

static CORE_TICKS now_ms(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t))
        return 0;
    return (CORE_TICKS)t.tv_sec * 1000 + (CORE_TICKS)t.tv_nsec / 1000000;
}

void start_time(void) {
    begun = now_ms();
}

void stop_time(void) {
    ended = now_ms();
}

CORE_TICKS get_time(void) {
    return ended - begun;
}

secs_ret time_in_secs(CORE_TICKS ticks) {
    return (secs_ret)(ticks / 1000);
}

void portable_init(core_portable *p, int *argc, char *argv[]) {
    (void)argc, (void)argv;
    p->portable_id = 1;
}

void portable_fini(core_portable *p) {
    p->portable_id = 0;
}

/* Of what CoreMark says, the lines about its results count: "[0]crclist : 0x%04x" goes
 * into the checksum, "Correct operation validated" must have been said. */
int ee_printf(const char *format, ...) {
    static const char correct[] = "Correct";
    uint32_t value = 0;
    if (format[0] != '[') {
        int i = 0;
        while (correct[i] && format[i] == correct[i])
            i++;
        validated |= !correct[i];
        return 0;
    }
    va_list rest;
    va_start(rest, format);
    for (const char *p = format; *p; p++) {
        if (*p == '%')
            value = va_arg(rest, uint32_t);
    }
    va_end(rest);
    sum = sum * 31 + value;
    return 0;
}

uint32_t run(uint32_t rounds) {
    sum = 0;
    validated = !rounds;
    if (rounds) { /* 0 would let CoreMark choose */
        seed4_volatile = (ee_s32)rounds;
        coremark_main();
    }
    if (!validated)
        __builtin_trap();
    return sum;
}
