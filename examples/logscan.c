/* logscan: which sources of a log say unusually much.
 *
 * stdin:  a log, one event a line: TIME SOURCE WORDS, with blanks between.  TIME is
 *         2026-11-22T21:19:56 (what follows up to the blank is ignored) or seconds.
 * stdout: a line for each source, by its bytes:
 *         SOURCE EVENTS ALARMS RATE SCORE, and "outlier" where SCORE is above 3.5.
 *
 * ALARMS are the events with error, fail, panic, denied or timeout among the words.
 * RATE is events per hour between the first and the last.  SCORE is the modified
 * z-score of the number of events, 0.6745 * |events - median| / MAD, where MAD is the
 * median distance from the median; if that is 0, it is 0.7979 * |events - median| /
 * mean distance (Iglewicz and Hoaglin, 1993).  A few loud sources do not hide each other
 * in it, as they would in means.  All in integers.
 *
 * Lines that are not like that are counted, and reported last as "# N lines skipped".
 * Exit codes: 0 done, 1 the input is no log at all, 2 more than 400 sources.
 */
#include "tiny.h"

#define SOURCES 400
#define NAME_BYTES 64
#define SLOTS 1024 /* of the hash table; a power of 2 */

struct source {
    char name[NAME_BYTES];
    int64_t first, last;
    uint32_t events, alarms;
};

static struct source sources[SOURCES];
static uint16_t slots[SLOTS]; /* index into sources, plus 1 */
static uint16_t order[SOURCES];
static uint32_t counts[SOURCES];
static uint32_t known;

/* Takes a word's bytes up to a blank or the line's end; gives what ended it.  A longer
 * word is cut. */
static int get_word(char *word, uint32_t room) {
    uint32_t n = 0;
    int c = get_char();
    while (c == ' ' || c == '\t')
        c = get_char();
    for (; c >= 0 && c != '\n' && c != ' ' && c != '\t' && c != '\r'; c = get_char())
        if (n + 1 < room)
            word[n++] = c;
    word[n] = 0;
    while (c == '\r')
        c = get_char();
    return c;
}

/* Days from 1970-01-01 (H. Hinnant, days_from_civil). */
static int64_t days(int64_t year, uint32_t month, uint32_t day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    uint32_t of_era = year - era * 400;
    uint32_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* A time in seconds; 0 if it is none. */
static int read_time(const char *at, int64_t *time) {
    static const char ends[] = {'-', '-', 'T', ':', ':'};
    uint64_t part[6];
    if (!read_unsigned(&at, 1000000000000, &part[0]))
        return 0;
    if (!*at || *at == '.') {
        *time = part[0];
        return 1;
    }
    for (uint32_t i = 1; i < 6; i++)
        if (*at++ != ends[i - 1] || !read_unsigned(&at, 99, &part[i]))
            return 0;
    if (part[0] > 9999 || part[1] - 1 > 11 || part[2] - 1 > 30 || part[3] > 23 || part[4] > 59 || part[5] > 60)
        return 0;
    *time = days(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
    return 1;
}

/* Whether the word holds one of the alarming ones. */
static int alarms(const char *word) {
    static const char *const alarming[] = {"error", "fail", "panic", "denied", "timeout"};
    for (; *word; word++)
        for (uint32_t k = 0; k < sizeof alarming / sizeof *alarming; k++) {
            const char *a = word, *b = alarming[k];
            while (*b && (*a | 32) == *b) {
                a++;
                b++;
            }
            if (!*b)
                return 1;
        }
    return 0;
}

static struct source *find(const char *name) {
    uint32_t hash = 0;
    for (const char *at = name; *at; at++)
        hash = hash * 31 + (uint8_t)*at;
    hash ^= hash >> 12;
    for (;; hash++) {
        uint16_t *slot = &slots[hash % SLOTS];
        if (!*slot) {
            if (known == SOURCES)
                fail_with(2, "logscan: more than 400 sources");
            struct source *new = &sources[known];
            for (uint32_t i = 0; (new->name[i] = name[i]); i++)
                ;
            order[known] = known;
            *slot = ++known;
            return new;
        }
        if (same(sources[*slot - 1].name, name))
            return &sources[*slot - 1];
    }
}

/* Takes one line; 0 if it is no event. */
static int read_event(void) {
    char word[NAME_BYTES], name[NAME_BYTES];
    int64_t time;
    int alarm = 0, end = get_word(word, sizeof word);
    int good = read_time(word, &time);
    name[0] = 0;
    if (end == ' ' || end == '\t')
        end = get_word(name, sizeof name);
    while (end == ' ' || end == '\t') {
        end = get_word(word, sizeof word);
        alarm |= alarms(word);
    }
    if (!good || !name[0])
        return 0;
    struct source *s = find(name);
    if (!s->events || time < s->first)
        s->first = time;
    if (!s->events || time > s->last)
        s->last = time;
    s->events++;
    s->alarms += alarm;
    return 1;
}

/* Insertion sorts by a growing step (Shell's): few sources, little code. */
static void sort_counts(void) {
    for (uint32_t step = known / 2; step; step /= 2)
        for (uint32_t i = step; i < known; i++) {
            uint32_t count = counts[i], k = i;
            for (; k >= step && counts[k - step] > count; k -= step)
                counts[k] = counts[k - step];
            counts[k] = count;
        }
}

static int after(uint32_t a, uint32_t b) {
    const uint8_t *x = (const uint8_t *)sources[a].name, *y = (const uint8_t *)sources[b].name;
    while (*x && *x == *y) {
        x++;
        y++;
    }
    return *x > *y;
}

static void sort_names(void) {
    for (uint32_t step = known / 2; step; step /= 2)
        for (uint32_t i = step; i < known; i++) {
            uint32_t source = order[i], k = i;
            for (; k >= step && after(order[k - step], source); k -= step)
                order[k] = order[k - step];
            order[k] = source;
        }
}

/* Twice the median of counts, which become sorted. */
static uint32_t median2(void) {
    sort_counts();
    return counts[(known - 1) / 2] + counts[known / 2];
}

/* Distance of twice the events from twice the median. */
static uint32_t distance(const struct source *s, uint32_t middle) {
    return s->events * 2 > middle ? s->events * 2 - middle : middle - s->events * 2;
}

static void put_source(const struct source *s, uint64_t score) {
    uint64_t seconds = s->last - s->first;
    put_text(s->name);
    put_char(' ');
    put_unsigned(s->events);
    put_char(' ');
    put_unsigned(s->alarms);
    put_char(' ');
    /* n events have n-1 gaps; one alone, or all at once, have no rate. */
    put_fixed(seconds ? ((uint64_t)(s->events - 1) * 36000 + seconds / 2) / seconds : 0, 1);
    put_char(' ');
    put_fixed(score, 2);
    put_text(score > 350 ? " outlier\n" : "\n");
}

int main(void) {
    uint32_t skipped = 0;
    uint64_t sum = 0;
    while (peek_char() >= 0)
        skipped += !read_event();
    if (!known && skipped)
        fail("logscan: no line begins with a time and a source");
    for (uint32_t i = 0; i < known; i++)
        counts[i] = sources[i].events;
    uint32_t middle = known ? median2() : 0;
    for (uint32_t i = 0; i < known; i++) {
        counts[i] = distance(&sources[i], middle);
        sum += counts[i];
    }
    /* Of doubled counts: so this is four times the MAD. */
    uint32_t spread = known ? median2() : 0;
    sort_names();
    for (uint32_t i = 0; i < known; i++) {
        const struct source *s = &sources[order[i]];
        uint64_t far = distance(s, middle), score = 0;
        if (spread)
            score = (far * 2 * 6745 / spread + 50) / 100;
        else if (sum)
            score = (far * 7979 * known / sum + 50) / 100;
        put_source(s, score);
    }
    if (skipped) {
        put_text("# ");
        put_unsigned(skipped);
        put_text(" lines skipped\n");
    }
    flush();
    return 0;
}
