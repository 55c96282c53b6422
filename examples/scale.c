/* scale: a picture in another size, by a box filter.
 *
 * arguments: WIDTH HEIGHT, at most 1024 and 4096.
 * stdin:  a PPM of kind P6 with at most 255 as largest value, and at most 4096 x 4096.
 * stdout: the same at WIDTH x HEIGHT.
 *
 * Each pixel of the result is the mean of the part of the picture it covers, pixels at
 * its edge counted by the area within: exact, in integers.  Lines are added up as they
 * are read, so one page of memory does for any height.
 */
#include "tiny.h"

#define MOST_WIDTH 1024
#define MOST 4096

static uint32_t across[MOST_WIDTH * 3]; /* a line of the picture, summed across */
static uint32_t sums[MOST_WIDTH * 3];   /* a line of the result, summed down as well */

/* A number of the head: blanks and comments before it, one blank after it. */
static uint32_t head_number(uint32_t most) {
    uint32_t n = 0, digits = 0;
    int c = get_char();
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
        if (c == '#')
            while (c >= 0 && c != '\n')
                c = get_char();
        else
            c = get_char();
    }
    for (; c >= '0' && c <= '9' && n <= most; c = get_char(), digits++)
        n = n * 10 + (c - '0');
    if (!digits || !n || n > most || !(c == ' ' || c == '\t' || c == '\r' || c == '\n'))
        fail("scale: the input is no PPM (P6) of at most 4096 x 4096 and 255");
    return n;
}

/* In units of 1/width of a pixel, the picture's line is in_width * width long: each of
 * its pixels `width` units, each of the result's `in_width`. */
static void read_across(uint32_t in_width, uint32_t width) {
    uint32_t *sum = across;
    for (uint32_t i = 0; i < width * 3; i++)
        across[i] = 0;
    uint32_t room = in_width; /* units left in the result's pixel */
    for (uint32_t i = 0; i < in_width; i++) {
        uint8_t pixel[3];
        uint32_t left = width; /* units left in the picture's pixel */
        if (get_bytes(pixel, 3) < 3)
            fail("scale: the picture ends early");
        while (left) {
            uint32_t units = left < room ? left : room;
            for (uint32_t k = 0; k < 3; k++)
                sum[k] += pixel[k] * units;
            left -= units;
            room -= units;
            if (!room) {
                room = in_width;
                sum += 3;
            }
        }
    }
}

static void put_line(uint32_t width, uint32_t area) {
    for (uint32_t i = 0; i < width * 3; i++) {
        put_char((sums[i] + area / 2) / area);
        sums[i] = 0;
    }
}

int main(void) {
    static const char usage[] = "scale: the arguments are WIDTH and HEIGHT, at most 1024 and 4096";
    uint32_t width = arg_unsigned(1, MOST_WIDTH, 0, usage), height = arg_unsigned(2, MOST, 0, usage);
    if (!width || !height || arg(3))
        fail(usage);
    if (get_char() != 'P' || get_char() != '6')
        fail("scale: the input is no PPM (P6)");
    uint32_t in_width = head_number(MOST), in_height = head_number(MOST), most = head_number(255);
    put_text("P6\n");
    put_unsigned(width);
    put_char(' ');
    put_unsigned(height);
    put_char('\n');
    put_unsigned(most);
    put_char('\n');
    /* 255 * 4096 * 4096 and half the area still fit 32 bits. */
    uint32_t room = in_height;
    for (uint32_t i = 0; i < in_height; i++) {
        read_across(in_width, width);
        uint32_t left = height;
        while (left) {
            uint32_t units = left < room ? left : room;
            for (uint32_t k = 0; k < width * 3; k++)
                sums[k] += across[k] * units;
            left -= units;
            room -= units;
            if (!room) {
                room = in_height;
                put_line(width, in_width * in_height);
            }
        }
    }
    flush();
    return 0;
}
