/* tiny: what the functions of tiny.h make of each line of stdin.
 *
 *   U MOST TEXT    read_unsigned: the number, and what follows it
 *   F DIGITS TEXT  read_fixed: the units, them by put_fixed, and what follows
 *   D DIGITS BITS  put_double of the double with these bits
 *   H DIGITS N     put_hex
 *   P DIGITS N     put_digits
 */
#include "tiny.h"

static uint64_t number(const char **at) {
    uint64_t n;
    while (**at == ' ')
        ++*at;
    if (!read_unsigned(at, UINT64_MAX, &n))
        fail("tiny: a number is wanted");
    return n;
}

int main(void) {
    static char line[100];
    while (get_line(line, sizeof line) >= 0) {
        const char *at = line + 1;
        uint64_t first = number(&at), n;
        int64_t units;
        union { uint64_t u; double d; } both;
        if (line[0] != 'U' && line[0] != 'F')
            n = number(&at);
        else
            at++;
        switch (line[0]) {
        case 'U':
            if (read_unsigned(&at, first, &n))
                put_unsigned(n);
            else
                put_text("no");
            put_text(at);
            break;
        case 'F':
            if (read_fixed(&at, first, &units)) {
                put_signed(units);
                put_char(' ');
                put_fixed(units, first);
            } else {
                put_text("no");
            }
            put_text(at);
            break;
        case 'D':
            both.u = n;
            put_double(both.d, first);
            break;
        case 'H':
            put_hex(n, first);
            break;
        default:
            put_digits(n, first);
        }
        put_char('\n');
    }
    put_text(same("a", "a") && !same("a", "ab") && !same("ab", "a") && same("", "") ? "same\n" : "not the same\n");
    flush();
    return 0;
}
