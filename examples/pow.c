/* pow: proof-of-work search: which number makes a text's SHA-256 begin with zeros.
 *
 * stdin:  one search a line: TEXT BITS FIRST COUNT.  TEXT has no blanks and at most
 *         35 bytes; BITS is how many bits must be 0 (at most 64).
 * stdout: one line a search: TEXT BITS NUMBER HASH, of the first NUMBER of
 *         FIRST..FIRST+COUNT-1 with which SHA-256(TEXT NUMBER) begins so; or TEXT BITS none.
 * With arguments, these four are the one search, and stdin is not read.
 *
 * SHA-256 is FIPS 180-4; text and number fit one block of 64 bytes.
 */
#include "tiny.h"

#define TEXT_BYTES 35
#define LINE_BYTES 128
#define COMPLAINT "pow: a search is TEXT BITS FIRST COUNT (TEXT of at most 35 bytes, BITS at most 64)"

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint8_t block[64]; /* the message, padded */
static uint32_t hash[8];

static uint32_t rotate(uint32_t x, uint32_t n) {
    return x >> n | x << (32 - n);
}

/* The hash of the block. */
static void sha256(void) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static uint32_t w[64];
    uint32_t a = start[0], b = start[1], c = start[2], d = start[3];
    uint32_t e = start[4], f = start[5], g = start[6], h = start[7];
    for (uint32_t i = 0; i < 16; i++)
        w[i] = __builtin_bswap32(((uint32_t *)block)[i]);
    for (uint32_t i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        x = rotate(x, 7) ^ rotate(x, 18) ^ x >> 3;
        y = rotate(y, 17) ^ rotate(y, 19) ^ y >> 10;
        w[i] = w[i - 16] + x + w[i - 7] + y;
    }
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t s = (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + h + K[i] + w[i];
        uint32_t t = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
        h = g, g = f, f = e, e = d + s;
        d = c, c = b, b = a, a = s + t;
    }
    uint32_t end[8] = {a, b, c, d, e, f, g, h};
    for (uint32_t i = 0; i < 8; i++)
        hash[i] = start[i] + end[i];
}

/* Writes the number's digits behind the text and the padding behind these. */
static void set_number(uint32_t size, uint64_t n) {
    uint8_t digits[20];
    uint32_t count = 0;
    do
        digits[count++] = '0' + n % 10;
    while (n /= 10);
    while (count)
        block[size++] = digits[--count];
    block[size] = 0x80;
    for (uint32_t i = size + 1; i < 62; i++)
        block[i] = 0;
    block[62] = size >> 5;
    block[63] = size << 3;
}

static int found(uint32_t bits) {
    uint64_t head = (uint64_t)hash[0] << 32 | hash[1];
    return !bits || !(head >> (64 - bits));
}

static void search(const char *text, uint32_t bits, uint64_t first, uint64_t count) {
    uint32_t size = length(text);
    for (uint32_t i = 0; i < size; i++)
        block[i] = text[i];
    put_text(text);
    put_char(' ');
    put_unsigned(bits);
    for (uint64_t n = first; count; n++, count--) {
        set_number(size, n);
        sha256();
        if (found(bits)) {
            put_char(' ');
            put_unsigned(n);
            put_char(' ');
            for (uint32_t i = 0; i < 8; i++)
                put_hex(hash[i], 8);
            put_char('\n');
            return;
        }
    }
    put_text(" none\n");
}

/* A number and the blank before it. */
static uint64_t next(const char **at, uint64_t most) {
    uint64_t n;
    if (*(*at)++ != ' ' || !read_unsigned(at, most, &n))
        fail(COMPLAINT);
    return n;
}

static void search_line(char *line) {
    const char *at = line;
    while (*at && *at != ' ')
        at++;
    char *text_end = line + (at - line);
    uint64_t bits = next(&at, 64), first = next(&at, UINT64_MAX), count = next(&at, UINT64_MAX);
    if (*at || text_end == line || text_end - line > TEXT_BYTES || (count && first > UINT64_MAX - (count - 1)))
        fail(COMPLAINT);
    *text_end = 0;
    search(line, bits, first, count);
}

#ifndef POW_CHECK /* powcheck.c has its own */
int main(void) {
    char line[LINE_BYTES];
    uint32_t used = 0;
    if (!arg(1)) {
        while (get_line(line, sizeof line) >= 0)
            search_line(line);
    } else {
        for (uint32_t i = 1; arg(i); i++) {
            const char *word = arg(i);
            for (uint32_t k = 0; k <= length(word); k++) {
                if (used == sizeof line)
                    fail(COMPLAINT);
                line[used++] = word[k] ? word[k] : ' ';
            }
        }
        line[used - 1] = 0;
        search_line(line);
    }
    flush();
    return 0;
}
#endif
