/* eater: asks for memory until it gets no more, touches all of it, says how much. */
#include <unistd.h>

int main(void) {
    unsigned pages = 0;
    for (;;) {
        unsigned long at = __builtin_wasm_memory_grow(0, 1);
        if (at == (unsigned long)-1)
            break;
        for (unsigned i = 0; i < 65536; i += 4096)
            ((volatile char *)(at * 65536))[i] = 1;
        pages++;
    }
    char text[8];
    int at = sizeof text;
    text[--at] = '\n';
    do
        text[--at] = '0' + pages % 10;
    while (pages /= 10);
    write(1, text + at, sizeof text - at);
    return 0;
}
