/* A tokenizer of 2 KiB: a state machine over names, numbers, strings and signs. */
#include "kernel.h"

static uint8_t text[2048];
enum { SPACE, NAME, NUMBER, STRING, SIGN };
static uint32_t counts[5];

static void tokenize(void) {
    int state = SPACE;
    for (uint32_t i = 0; i < sizeof text; i++) {
        uint8_t c = text[i];
        int next;
        if (state == STRING) {
            if (c == '"')
                state = SPACE;
            continue;
        }
        if ((c >= 'a' && c <= 'z') || c == '_')
            next = NAME;
        else if (c >= '0' && c <= '9')
            next = state == NAME ? NAME : NUMBER;
        else if (c == '"')
            next = STRING;
        else if (c == ' ' || c == '\n')
            next = SPACE;
        else
            next = SIGN;
        if (next != state || next == SIGN)
            counts[next]++;
        state = next;
    }
}

uint32_t run(uint32_t rounds) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_etaoinetaoin0123456789   \n\"+-*/(){};<";
    for (uint32_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)letters[draw() & 63];
    while (rounds--)
        tokenize();
    uint32_t sum = 0;
    for (int i = 0; i < 5; i++)
        sum = sum * 31 + counts[i];
    return sum;
}
