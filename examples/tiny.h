/* tiny.h: input, output and numbers for jobs, in place of stdio.
 *
 * Include it in the one C file of a job; what is not called takes no room.  All
 * of it used is 3 KB of WebAssembly, where printf alone takes 10 and main's own
 * argc and argv, by the malloc they bring, 8.  So write `int main(void)` and take
 * the arguments from arg().
 *
 * Output is buffered: end with flush().  An error ends the job: one line on
 * stderr, exit code 1.
 */
#ifndef TINY_H
#define TINY_H

#include <stdint.h>
#include <wasi/api.h>

/* Sizes; a job may define its own before it includes this file. */
#ifndef TINY_IN_BYTES
#define TINY_IN_BYTES 1024
#endif
#ifndef TINY_OUT_BYTES
#define TINY_OUT_BYTES 1024
#endif
#ifndef TINY_ARGS
#define TINY_ARGS 16
#endif
#ifndef TINY_ARG_BYTES
#define TINY_ARG_BYTES 512
#endif

#define TINY static __attribute__((unused))
#define TINY_CALL static __attribute__((unused, noinline))

/* How many bytes a text has before its zero byte. */
TINY_CALL uint32_t length(const char *text) {
    uint32_t n = 0;
    while (text[n])
        n++;
    return n;
}

/* Whether two texts are the same. */
TINY_CALL int same(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* --- The end of a job. --- */

/* Writes the text and a newline to stderr and ends the job with this exit code.
 * The text's first 120 characters become the reason in the task's receipt. */
TINY_CALL _Noreturn void fail_with(uint32_t code, const char *text) {
    __wasi_ciovec_t parts[2] = {{(const uint8_t *)text, length(text)}, {(const uint8_t *)"\n", 1}};
    __wasi_size_t done;
    if (__wasi_fd_write(2, parts, 2, &done))
        code = 1; /* there is no stderr to complain about it */
    __wasi_proc_exit(code);
}

/* fail_with, exit code 1. */
TINY_CALL _Noreturn void fail(const char *text) {
    fail_with(1, text);
}

/* --- Output. --- */

static uint8_t tiny_out[TINY_OUT_BYTES];
static uint32_t tiny_out_used;

/* Writes what is buffered to stdout. */
TINY_CALL void flush(void) {
    uint32_t at = 0;
    while (at < tiny_out_used) {
        __wasi_ciovec_t rest = {tiny_out + at, tiny_out_used - at};
        __wasi_size_t done;
        if (__wasi_fd_write(1, &rest, 1, &done) || !done)
            fail("cannot write to stdout");
        at += done;
    }
    tiny_out_used = 0;
}

/* Puts one byte out. */
TINY_CALL void put_char(uint32_t c) {
    if (tiny_out_used == TINY_OUT_BYTES)
        flush();
    tiny_out[tiny_out_used++] = c;
}

/* Puts `size` bytes out. */
TINY_CALL void put_bytes(const void *bytes, uint32_t size) {
    const uint8_t *at = bytes, *end = at + size;
    while (at < end)
        put_char(*at++);
}

/* Puts a text out, without its zero byte. */
TINY_CALL void put_text(const char *text) {
    put_bytes(text, length(text));
}

/* Puts a number out as decimal digits, at least `least` of them. */
TINY_CALL void put_digits(uint64_t n, uint32_t least) {
    uint8_t digits[32];
    uint32_t at = sizeof digits;
    if (least > sizeof digits)
        least = sizeof digits;
    /* 32-bit division is cheaper on a small box, and mostly enough. */
    while (n >> 32) {
        digits[--at] = '0' + n % 10;
        n /= 10;
    }
    for (uint32_t m = n; m; m /= 10)
        digits[--at] = '0' + m % 10;
    while (sizeof digits - at < least)
        digits[--at] = '0';
    put_bytes(digits + at, sizeof digits - at);
}

/* Puts an unsigned number out. */
TINY_CALL void put_unsigned(uint64_t n) {
    put_digits(n, 1);
}

/* Puts a number out, with a minus sign if it is below 0. */
TINY_CALL void put_signed(int64_t n) {
    if (n < 0)
        put_char('-');
    put_digits(n < 0 ? -(uint64_t)n : (uint64_t)n, 1);
}

/* Puts the low `digits` hexadecimal digits of a number out (at most 16). */
TINY_CALL void put_hex(uint64_t n, uint32_t digits) {
    while (digits)
        put_char("0123456789abcdef"[n >> --digits * 4 & 15]);
}

/* 10 to the power of `digits`, at most 18. */
TINY_CALL int64_t power10(uint32_t digits) {
    int64_t n = 1;
    while (digits--)
        n *= 10;
    return n;
}

/* Puts out n / 10^digits exactly: put_fixed(-1234, 2) is -12.34.  At most 18 digits. */
TINY_CALL void put_fixed(int64_t n, uint32_t digits) {
    uint64_t size = n < 0 ? -(uint64_t)n : (uint64_t)n;
    if (n < 0)
        put_char('-');
    put_digits(size / power10(digits), 1);
    if (digits) {
        put_char('.');
        put_digits(size % power10(digits), digits);
    }
}

/* Puts a double out with this many digits after the point (at most 15), halves
 * rounded away from 0.  Beyond 10^18 it takes an exponent: 1.50e+20.  The scaling is
 * done in doubles, so the 17th digit may be off by one; it is the same on every box. */
TINY_CALL void put_double(double x, uint32_t digits) {
    if (x != x) {
        put_text("nan");
        return;
    }
    if (x < 0)
        put_char('-');
    x = __builtin_fabs(x);
    if (x == __builtin_inf()) {
        put_text("inf");
        return;
    }
    double scale = power10(digits);
    uint32_t exponent = 0;
    if (x * scale >= 1e18)
        for (; x >= 10; exponent++)
            x /= 10;
    put_fixed((int64_t)(x * scale + 0.5), digits);
    if (exponent) {
        put_text("e+");
        put_unsigned(exponent);
    }
}

/* --- Input. --- */

static uint8_t tiny_in[TINY_IN_BYTES];
static uint32_t tiny_in_at, tiny_in_end;

/* Reads more of stdin into the empty buffer; 0 at its end. */
TINY_CALL uint32_t tiny_fill(void) {
    __wasi_iovec_t all = {tiny_in, TINY_IN_BYTES};
    __wasi_size_t done;
    if (__wasi_fd_read(0, &all, 1, &done))
        fail("cannot read stdin");
    tiny_in_at = 0;
    tiny_in_end = done;
    return done;
}

/* The next byte of stdin, which stays there; -1 at its end. */
TINY int peek_char(void) {
    if (tiny_in_at == tiny_in_end && !tiny_fill())
        return -1;
    return tiny_in[tiny_in_at];
}

/* Takes the next byte of stdin; -1 at its end. */
TINY int get_char(void) {
    if (tiny_in_at == tiny_in_end && !tiny_fill())
        return -1;
    return tiny_in[tiny_in_at++];
}

/* Takes `size` bytes of stdin; gives how many there were. */
TINY_CALL uint32_t get_bytes(void *bytes, uint32_t size) {
    uint8_t *to = bytes;
    uint32_t n = 0;
    int c;
    while (n < size && (c = get_char()) >= 0)
        to[n++] = c;
    return n;
}

/* Takes a line of stdin, without its newline (and the carriage return before that),
 * and ends it with a zero byte.  Gives its length, or -1 at the end of stdin.
 * A line of `room` bytes or more ends the job. */
TINY_CALL int get_line(char *line, uint32_t room) {
    uint32_t n = 0;
    int c = get_char();
    if (c < 0)
        return -1;
    for (; c >= 0 && c != '\n'; c = get_char()) {
        if (n + 1 >= room)
            fail("a line of the input is too long");
        line[n++] = c;
    }
    if (n && line[n - 1] == '\r')
        n--;
    line[n] = 0;
    return n;
}

/* --- Numbers in texts. --- */

/* Reads decimal digits at *text and moves it behind them; 0 if there are none or
 * the number is above `most`. */
TINY_CALL int read_unsigned(const char **text, uint64_t most, uint64_t *value) {
    const char *at = *text;
    uint64_t n = 0;
    for (; (uint8_t)(*at - '0') < 10; at++) {
        uint32_t digit = *at - '0';
        if (digit > most || n > (most - digit) / 10)
            return 0;
        n = n * 10 + digit;
    }
    if (at == *text)
        return 0;
    *text = at;
    *value = n;
    return 1;
}

/* Reads a decimal number such as -12.5 at *text, in units of 10^-digits, and moves
 * behind it; 0 if there is none, it has more digits after the point (zeros apart),
 * or it is beyond 10^18 units. */
TINY_CALL int read_fixed(const char **text, uint32_t digits, int64_t *value) {
    const char *at = *text;
    uint64_t whole = 0, part = 0, scale = power10(digits);
    int negative = *at == '-', any;
    if (*at == '-' || *at == '+')
        at++;
    any = read_unsigned(&at, 1000000000000000000 / scale, &whole);
    if (!any && *at != '.')
        return 0;
    if (*at == '.')
        for (at++; (uint8_t)(*at - '0') < 10; at++) {
            any = 1;
            if (scale == 1 && *at != '0')
                return 0;
            if (scale > 1) {
                scale /= 10;
                part += (*at - '0') * scale;
            }
        }
    if (!any)
        return 0;
    *value = (int64_t)(whole * power10(digits) + part) * (negative ? -1 : 1);
    *text = at;
    return 1;
}

/* --- Arguments. --- */

/* Argument i as a text: 1 is the first after the program's name; null beyond the last. */
TINY_CALL const char *arg(uint32_t i) {
    static uint8_t *pointers[TINY_ARGS];
    static uint8_t texts[TINY_ARG_BYTES];
    __wasi_size_t count, size;
    if (__wasi_args_sizes_get(&count, &size) || count > TINY_ARGS || size > TINY_ARG_BYTES)
        fail("too many arguments, or too long");
    if (i >= count || __wasi_args_get(pointers, texts))
        return 0;
    return (const char *)pointers[i];
}

/* Argument i as a number of 0..most; `otherwise` if there is no such argument, and
 * the job's end with `complaint` if it is something else. */
TINY_CALL uint64_t arg_unsigned(uint32_t i, uint64_t most, uint64_t otherwise, const char *complaint) {
    const char *text = arg(i);
    uint64_t value;
    if (!text)
        return otherwise;
    if (!read_unsigned(&text, most, &value) || *text)
        fail(complaint);
    return value;
}

#endif
