/* hello: stdio, to see what printf costs: `hello, NAME` and what stdin held. */
#include <stdio.h>

int main(int argc, char **argv) {
    int lines = 0, bytes = 0, c;
    while ((c = getchar()) != EOF) {
        bytes++;
        lines += c == '\n';
    }
    for (int i = 1; i < argc; i++)
        printf("hello, %s\n", argv[i]);
    printf("%d lines, %d bytes (0x%04x)\n", lines, bytes, bytes);
    return 0;
}
