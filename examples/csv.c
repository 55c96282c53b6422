/* csv: count, sum, least and greatest of one column of a table, for each value of another.
 *
 * arguments: KEY VALUE, two columns: by name, then the first line is the head; or by
 *            number, counted from 1, then all lines are data.
 * stdin:  CSV (RFC 4180): commas, fields in double quotes may hold commas and newlines.
 * stdout: CSV, a head and a line for each key, by the key's bytes: key,count,sum,min,max.
 *
 * Values are decimal numbers with up to 6 digits after the point, added up exactly.  An
 * empty value is not counted.  The distinct keys must fit the pool, about 50 KB.
 */
#include "tiny.h"

#define BUCKETS 256
#define POOL_BYTES 50176
#define FIELD_BYTES 256
#define DIGITS 6

struct group {
    struct group *next; /* in its bucket, later in order */
    uint32_t count, size;
    int64_t sum, least, greatest;
    uint8_t key[];
};

static uint64_t pool[POOL_BYTES / 8];
static uint32_t used; /* bytes of the pool */
static struct group *buckets[BUCKETS];
static uint32_t line = 1;

/* Ends the job: "csv: line 12: what". */
static _Noreturn void fail_at(const char *what) {
    char text[120];
    uint32_t size = 0, start = line;
    char digits[10];
    uint32_t count = 0;
    for (const char *at = "csv: line "; *at; at++)
        text[size++] = *at;
    do
        digits[count++] = '0' + start % 10;
    while (start /= 10);
    while (count)
        text[size++] = digits[--count];
    for (const char *at = what; *at; at++)
        text[size++] = *at;
    text[size] = 0;
    fail(text);
}

/* Takes a field of stdin and what ends it: a comma, a newline, or -1 for the input's end. */
static int get_field(char *field, uint32_t *size) {
    int c = get_char();
    uint32_t n = 0;
    int quoted = c == '"';
    if (quoted)
        c = get_char();
    for (;; c = get_char()) {
        if (quoted && c == '"') {
            c = get_char();
            if (c != '"') {
                if (c == '\r')
                    c = get_char();
                if (c >= 0 && c != ',' && c != '\n')
                    fail_at(": something follows a closing quote");
                break;
            }
        } else if (quoted && c < 0) {
            fail_at(": a quote is not closed");
        } else if (!quoted && (c < 0 || c == ',' || c == '\n')) {
            break;
        }
        if (c == '\n')
            line++;
        if (n + 1 == FIELD_BYTES)
            fail_at(": a field has more than 255 bytes");
        field[n++] = c;
    }
    if (!quoted && c != ',' && n && field[n - 1] == '\r')
        n--;
    field[n] = 0;
    *size = n;
    return c;
}

static struct group *find(const char *key, uint32_t size) {
    uint32_t hash = size;
    for (uint32_t i = 0; i < size; i++)
        hash = hash * 31 + (uint8_t)key[i];
    struct group **bucket = &buckets[hash % BUCKETS];
    for (struct group *g = *bucket; g; g = g->next) {
        uint32_t i = 0;
        while (i < size && g->size == size && g->key[i] == (uint8_t)key[i])
            i++;
        if (i == size && g->size == size)
            return g;
    }
    if (used + sizeof(struct group) + size > POOL_BYTES)
        fail_with(2, "csv: too many distinct keys");
    struct group *g = (struct group *)((uint8_t *)pool + used);
    used += (sizeof(struct group) + size + 7) & ~7u;
    g->next = *bucket;
    *bucket = g;
    g->size = size;
    for (uint32_t i = 0; i < size; i++)
        g->key[i] = key[i];
    return g;
}

static void count(const char *key, uint32_t size, const char *text) {
    int64_t value;
    if (!*text)
        return;
    if (!read_fixed(&text, DIGITS, &value) || *text)
        fail_at(": the value is no decimal number of up to 6 digits after the point");
    struct group *g = find(key, size);
    if (!g->count || value < g->least)
        g->least = value;
    if (!g->count || value > g->greatest)
        g->greatest = value;
    if (__builtin_add_overflow(g->sum, value, &g->sum))
        fail_at(": the sum is too large");
    g->count++;
}

/* A column given by number, or 0. */
static uint32_t number_of(const char *text) {
    uint64_t n;
    return read_unsigned(&text, 1000000, &n) && !*text ? n : 0;
}

/* Finds the two columns in the head, which it takes. */
static void read_head(const char *names[2], uint32_t columns[2]) {
    char field[FIELD_BYTES];
    uint32_t size, column = 0;
    int end;
    do {
        end = get_field(field, &size);
        column++;
        for (uint32_t k = 0; k < 2; k++)
            if (!columns[k] && same(field, names[k]))
                columns[k] = column;
    } while (end == ',');
    line++;
    if (!columns[0] || !columns[1])
        fail("csv: the head has no such column");
}

/* Takes one line of data; an empty one is none. */
static void read_line(const uint32_t columns[2]) {
    static char fields[2][FIELD_BYTES];
    char field[FIELD_BYTES];
    uint32_t sizes[2], column = 0, found = 0, size;
    int end;
    do {
        end = get_field(field, &size);
        column++;
        for (uint32_t k = 0; k < 2; k++)
            if (column == columns[k]) {
                for (uint32_t i = 0; i <= size; i++)
                    fields[k][i] = field[i];
                sizes[k] = size;
                found++;
            }
    } while (end == ',');
    if (column > 1 || size) {
        if (found < 2)
            fail_at(": it has too few fields");
        count(fields[0], sizes[0], fields[1]);
    }
    line++;
}

static int before(const struct group *a, const struct group *b) {
    uint32_t n = a->size < b->size ? a->size : b->size;
    for (uint32_t i = 0; i < n; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i];
    return a->size < b->size;
}

static struct group *merge(struct group *a, struct group *b) {
    struct group *first = 0, **tail = &first;
    while (a && b) {
        struct group **least = before(b, a) ? &b : &a;
        *tail = *least;
        tail = &(*least)->next;
        *least = *tail;
    }
    *tail = a ? a : b;
    return first;
}

/* All groups in order: a bottom-up merge sort, runs[i] of 2^i groups. */
static struct group *sort(void) {
    struct group *runs[12] = {0}, *all = 0;
    for (uint32_t i = 0; i < BUCKETS; i++)
        while (buckets[i]) {
            struct group *run = buckets[i];
            buckets[i] = run->next;
            run->next = 0;
            uint32_t k = 0;
            for (; k < 11 && runs[k]; k++) {
                run = merge(runs[k], run);
                runs[k] = 0;
            }
            runs[k] = merge(runs[k], run);
        }
    for (uint32_t k = 0; k < 12; k++)
        all = merge(runs[k], all);
    return all;
}

static void put_key(const struct group *g) {
    int quoted = 0;
    for (uint32_t i = 0; i < g->size; i++)
        quoted |= g->key[i] == '"' || g->key[i] == ',' || g->key[i] == '\n' || g->key[i] == '\r';
    if (quoted)
        put_char('"');
    for (uint32_t i = 0; i < g->size; i++) {
        if (g->key[i] == '"')
            put_char('"');
        put_char(g->key[i]);
    }
    if (quoted)
        put_char('"');
}

int main(void) {
    const char *names[2] = {arg(1), arg(2)};
    if (!names[0] || !names[1] || arg(3))
        fail("csv: the arguments are two columns, by name or by number: KEY VALUE");
    uint32_t columns[2] = {number_of(names[0]), number_of(names[1])};
    if (!columns[0] != !columns[1])
        fail("csv: give both columns by name or both by number");
    if (!columns[0])
        read_head(names, columns);
    while (peek_char() >= 0)
        read_line(columns);
    put_text("key,count,sum,min,max\n");
    for (const struct group *g = sort(); g; g = g->next) {
        put_key(g);
        put_char(',');
        put_unsigned(g->count);
        put_char(',');
        put_fixed(g->sum, DIGITS);
        put_char(',');
        put_fixed(g->least, DIGITS);
        put_char(',');
        put_fixed(g->greatest, DIGITS);
        put_char('\n');
    }
    flush();
    return 0;
}
