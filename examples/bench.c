/* bench: list processing, an integer matrix, a state machine and CRC-16, as CoreMark mixes them.
 *
 * argument 1: rounds (default 1).
 * stdout: the checksum of each part, and of the whole, one per line.  The parts are the
 *         same in each round, and compared with what they must be: exit code 1 if one is not.
 *
 * Written for this project: its figures are not CoreMark's, and compare only with
 * themselves, from box to box and engine to engine.
 */
#include "tiny.h"

#define ITEMS 100
#define SIDE 12
#define LIST_CRC 0xc4ec
#define MATRIX_CRC 0x3589
#define STATE_CRC 0xf3e8

/* CRC-16/ARC, bit by bit. */
static uint32_t crc_byte(uint32_t crc, uint32_t byte) {
    crc ^= byte & 255;
    for (uint32_t i = 0; i < 8; i++)
        crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
    return crc;
}

static uint32_t crc_word(uint32_t crc, uint32_t word) {
    return crc_byte(crc_byte(crc_byte(crc_byte(crc, word), word >> 8), word >> 16), word >> 24);
}

/* A linear congruential generator (Numerical Recipes' constants); the high bits are good. */
static uint32_t state;

static uint32_t next_random(void) {
    state = state * 1664525 + 1013904223;
    return state >> 16;
}

/* --- Linked list: fill, find, reverse, merge sort, remove. --- */

struct item {
    struct item *next;
    uint16_t key, value;
};

static struct item items[ITEMS];

static struct item *reverse(struct item *list) {
    struct item *done = 0;
    while (list) {
        struct item *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static struct item *merge(struct item *a, struct item *b) {
    struct item head, *tail = &head;
    while (a && b) {
        struct item **least = b->key < a->key ? &b : &a;
        tail->next = *least;
        tail = *least;
        *least = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

/* Bottom up: runs[i] holds 2^i items or none. */
static struct item *sort(struct item *list) {
    struct item *runs[8] = {0};
    while (list) {
        struct item *one = list;
        list = list->next;
        one->next = 0;
        uint32_t i = 0;
        for (; i < 7 && runs[i]; i++) {
            one = merge(runs[i], one);
            runs[i] = 0;
        }
        runs[i] = merge(runs[i], one);
    }
    for (uint32_t i = 0; i < 8; i++)
        list = merge(runs[i], list);
    return list;
}

static uint32_t find(const struct item *list, uint32_t key) {
    uint32_t steps = 0;
    for (; list && list->key != key; list = list->next)
        steps++;
    return steps;
}

static uint32_t list_part(void) {
    struct item *list = 0;
    uint32_t crc = 0;
    state = 1;
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){list, next_random(), i};
        list = &items[i];
    }
    for (uint32_t i = 0; i < ITEMS; i += 10)
        crc = crc_word(crc, find(list, items[i].key));
    list = sort(reverse(list));
    for (struct item *at = list; at && at->next; at = at->next)
        at->next = at->next->next; /* every second goes */
    for (const struct item *at = list; at; at = at->next)
        crc = crc_word(crc, (uint32_t)at->key << 16 | at->value);
    return crc;
}

/* --- Matrix: a product of 16-bit numbers, bit fields of it, a transposition. --- */

static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];

static uint32_t matrix_part(void) {
    uint32_t crc = 0;
    state = 2;
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++) {
            left[i][j] = next_random();
            right[i][j] = next_random() & 0x3ff;
        }
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (uint32_t k = 0; k < SIDE; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < i; j++) {
            int32_t t = product[i][j];
            product[i][j] = product[j][i] >> 3;
            product[j][i] = (t >> 2 & 0x7f) * (t >> 5 & 0x7f);
        }
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++)
            crc = crc_word(crc, product[i][j]);
    return crc;
}

/* --- State machine: which fields of a text are integers, decimals, with exponents, or words. --- */

enum field { START, SIGN, INTEGER, POINT, DECIMAL, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, WORD, FIELDS };

static const char text[] = "5012,-874,+122,1.5,-.75,6.02e23,T0.3,12a,,-110.700,+0.64400,1e-9,-0x7,3.,.,7e,65535,fence";

static enum field step(enum field field, uint32_t c) {
    int digit = c - '0' < 10, sign = c == '+' || c == '-';
    switch (field) {
    case START:
        return digit ? INTEGER : sign ? SIGN : c == '.' ? POINT : WORD;
    case SIGN:
        return digit ? INTEGER : c == '.' ? POINT : WORD;
    case INTEGER:
        return digit ? INTEGER : c == '.' ? DECIMAL : c == 'e' ? EXPONENT : WORD;
    case POINT:
        return digit ? DECIMAL : WORD;
    case DECIMAL:
        return digit ? DECIMAL : c == 'e' ? EXPONENT : WORD;
    case EXPONENT:
        return digit ? SCIENTIFIC : sign ? EXPONENT_SIGN : WORD;
    case EXPONENT_SIGN:
    case SCIENTIFIC:
        return digit ? SCIENTIFIC : WORD;
    default:
        return WORD;
    }
}

static uint32_t state_part(void) {
    uint32_t ended[FIELDS] = {0}, seen[FIELDS] = {0}, crc = 0;
    for (uint32_t damage = 0; damage < 4; damage++) {
        enum field field = START;
        for (uint32_t i = 0; i < sizeof text; i++) {
            uint32_t c = text[i];
            if (c == ',' || !c) {
                ended[field]++;
                field = START;
                continue;
            }
            /* Every so often a character is another one. */
            if (damage && i % (7 * damage) == 0)
                c ^= damage;
            field = step(field, c);
            seen[field]++;
        }
    }
    for (uint32_t i = 0; i < FIELDS; i++)
        crc = crc_word(crc, ended[i] << 16 | seen[i]);
    return crc;
}

/* --- */

static void put_sum(const char *name, uint32_t sum) {
    put_text(name);
    put_char(' ');
    put_hex(sum, 4);
    put_char('\n');
}

static void check(const char *name, uint32_t sum, uint32_t must) {
    if (sum == must)
        return;
    put_sum(name, sum);
    flush();
    fail("bench: a checksum is not what it must be");
}

int main(void) {
    uint64_t rounds = arg_unsigned(1, 1000000000, 1, "bench: the argument is the number of rounds");
    uint32_t whole = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t list = list_part(), matrix = matrix_part(), machine = state_part();
        check("list", list, LIST_CRC);
        check("matrix", matrix, MATRIX_CRC);
        check("state", machine, STATE_CRC);
        whole = crc_word(crc_word(crc_word(whole, list), matrix), machine);
    }
    put_sum("list", LIST_CRC);
    put_sum("matrix", MATRIX_CRC);
    put_sum("state", STATE_CRC);
    put_sum("whole", whole);
    flush();
    return 0;
}
