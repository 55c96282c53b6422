/* powcheck: the verifier of pow.  What took a search to find takes one hash to check.
 *
 * stdin: the length of a task's input, 4 bytes little-endian, the input and the output.
 * Exits 0 if the output has a line for each search, with a number in its range whose
 * hash is the one told and begins with enough zeros.  Of a search that found none
 * nothing proves that but the search, which is made again.
 */
#define POW_CHECK
#include "pow.c"

#define INPUT_BYTES 32768
#define WRONG "powcheck: this is not what was asked for"

static char input[INPUT_BYTES + 1];

static void expect(int holds) {
    if (!holds)
        fail_with(2, WRONG);
}

/* Moves behind `word` in a text, which must begin with it. */
static const char *behind(const char *at, const char *word) {
    while (*word)
        expect(*at++ == *word++);
    return at;
}

/* Whether no number of a search has the zeros. */
static int none(uint32_t size, uint32_t bits, uint64_t first, uint64_t count) {
    for (uint64_t n = first; count; n++, count--) {
        set_number(size, n);
        sha256();
        if (found(bits))
            return 0;
    }
    return 1;
}

static void check(const char *search) {
    char line[LINE_BYTES];
    expect(get_line(line, sizeof line) >= 0);
    const char *at = line;
    uint32_t size = 0;
    for (; *search != ' '; search++) {
        expect(size < TEXT_BYTES && *search && *at++ == *search);
        block[size++] = *search;
    }
    uint64_t bits = next(&search, 64), first = next(&search, UINT64_MAX), count = next(&search, UINT64_MAX), n;
    at = behind(at, " ");
    expect(read_unsigned(&at, 64, &n) && n == bits);
    if (same(at, " none")) {
        expect(none(size, bits, first, count));
        return;
    }
    n = next(&at, UINT64_MAX);
    expect(n >= first && n - first < count);
    set_number(size, n);
    sha256();
    expect(found(bits) && *at++ == ' ');
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t k = 0; k < 8; k++)
            expect(*at++ == "0123456789abcdef"[hash[i] >> (28 - 4 * k) & 15]);
    expect(!*at);
}

int main(void) {
    uint32_t size = 0;
    expect(get_bytes(&size, 4) == 4 && size <= INPUT_BYTES && get_bytes(input, size) == size);
    char *at = input;
    while (*at) {
        char *end = at;
        while (*end && *end != '\n')
            end++;
        int more = *end != 0;
        *end = 0;
        check(at);
        at = end + more;
    }
    expect(get_char() < 0);
    return 0;
}
