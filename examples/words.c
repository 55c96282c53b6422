/* words: how often each word occurs in a text.
 *
 * stdin:  text, any bytes.
 * stdout: one line "word count\n" per distinct word, sorted by the word's bytes.
 *
 * A word is a longest run of ASCII letters in which single apostrophes may
 * stand between letters: [A-Za-z]+('[A-Za-z]+)*.  It is counted in lower case.
 * Every other byte, those of UTF-8 sequences too, only separates words.
 *
 * Exit codes: 0 done, 1 read or write failed, 2 the distinct words do not fit
 * the pool (about 50 KB; 16 KB of any text always fits).
 *
 * It keeps to one 64 KiB page: no malloc, no stdio, and the text itself is
 * never held, only its distinct words.
 */
#include <stdint.h>
#include <unistd.h>

#define BUCKETS 512
#define POOL_BYTES 51200 /* what one page leaves beside stack, buffers, code's data */
#define IO_BYTES 1024

/* A record in the pool, two-byte aligned: next, count, length, then the letters.
 * `next` and the bucket heads are record numbers (byte offset / 2), 0 is none. */
#define NEXT 0
#define COUNT 1
#define LENGTH 2
#define LETTERS 6

static uint16_t pool[POOL_BYTES / 2];
static uint16_t buckets[BUCKETS];
static unsigned char input[IO_BYTES];
static unsigned char output[IO_BYTES];
static unsigned used = 1; /* the next free record number; 0 means none */
static unsigned pending;  /* bytes in `output` */

static unsigned char *letters(unsigned record) {
    return (unsigned char *)(pool + record) + LETTERS;
}

static void fail(int code, const char *text, unsigned size) {
    write(2, text, size);
    _exit(code);
}

static void flush(void) {
    unsigned done = 0;
    while (done < pending) {
        ssize_t n = write(1, output + done, pending - done);
        if (n <= 0)
            fail(1, "words: cannot write\n", 20);
        done += n;
    }
    pending = 0;
}

static void put(unsigned c) {
    if (pending == IO_BYTES)
        flush();
    output[pending++] = c;
}

static void put_number(unsigned n) {
    unsigned char digits[10];
    unsigned size = 0;
    do
        digits[size++] = '0' + n % 10;
    while (n /= 10);
    while (size)
        put(digits[--size]);
}

/* The word being read stands in the pool where its record would begin, so a
 * new word is already in place and a known one is simply overwritten. */
static void count_word(unsigned size, unsigned hash) {
    const unsigned char *word = letters(used);
    uint16_t *head = &buckets[hash % BUCKETS];
    for (unsigned r = *head; r; r = pool[r + NEXT]) {
        if (pool[r + LENGTH] != size)
            continue;
        const unsigned char *known = letters(r);
        unsigned i = 0;
        while (i < size && known[i] == word[i])
            i++;
        if (i == size) {
            pool[r + COUNT]++;
            return;
        }
    }
    pool[used + NEXT] = *head;
    pool[used + COUNT] = 1;
    pool[used + LENGTH] = size;
    *head = used;
    used += (LETTERS + size + 1) / 2;
}

static void read_words(void) {
    unsigned size = 0, hash = 0, apostrophe = 0;
    for (;;) {
        ssize_t got = read(0, input, IO_BYTES);
        if (got < 0)
            fail(1, "words: cannot read\n", 19);
        if (got == 0)
            break;
        for (const unsigned char *p = input, *end = input + got; p < end; p++) {
            unsigned c = *p | 32;
            if (c - 'a' < 26) {
                /* Room for this letter, an apostrophe, and the next record's head. */
                if (used * 2 + LETTERS + size + 2 + 1 > POOL_BYTES)
                    fail(2, "words: too many distinct words\n", 31);
                unsigned char *word = letters(used);
                if (apostrophe) {
                    word[size++] = '\'';
                    hash = hash * 31 + '\'';
                    apostrophe = 0;
                }
                word[size++] = c;
                hash = hash * 31 + c;
            } else if (*p == '\'' && size && !apostrophe) {
                apostrophe = 1;
            } else if (size) {
                count_word(size, hash);
                size = hash = apostrophe = 0;
            }
        }
    }
    if (size)
        count_word(size, hash);
}

static int before(unsigned a, unsigned b) {
    const unsigned char *x = letters(a), *y = letters(b);
    unsigned nx = pool[a + LENGTH], ny = pool[b + LENGTH];
    unsigned n = nx < ny ? nx : ny;
    for (unsigned i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i];
    return nx < ny;
}

static unsigned merge(unsigned a, unsigned b) {
    unsigned first = 0;
    uint16_t *tail = 0;
    while (a && b) {
        unsigned *least = before(b, a) ? &b : &a;
        unsigned r = *least;
        *least = pool[r + NEXT];
        if (tail)
            *tail = r;
        else
            first = r;
        tail = &pool[r + NEXT];
    }
    a = a ? a : b;
    if (!tail)
        return a;
    *tail = a;
    return first;
}

/* Bottom-up merge sort of the chained records: runs[i] holds 2^i records. */
static unsigned sort(void) {
    unsigned runs[16] = {0};
    for (unsigned i = 0; i < BUCKETS; i++) {
        unsigned next;
        for (unsigned r = buckets[i]; r; r = next) {
            next = pool[r + NEXT];
            pool[r + NEXT] = 0;
            unsigned run = r, k = 0;
            for (; k < 15 && runs[k]; k++) {
                run = merge(runs[k], run);
                runs[k] = 0;
            }
            runs[k] = merge(runs[k], run);
        }
    }
    unsigned all = 0;
    for (unsigned k = 0; k < 16; k++)
        all = merge(runs[k], all);
    return all;
}

int main(void) {
    read_words();
    for (unsigned r = sort(); r; r = pool[r + NEXT]) {
        const unsigned char *word = letters(r);
        for (unsigned i = 0; i < pool[r + LENGTH]; i++)
            put(word[i]);
        put(' ');
        put_number(pool[r + COUNT]);
        put('\n');
    }
    flush();
    return 0;
}
