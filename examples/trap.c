/* trap: a job that goes wrong the way its first argument says.
 *
 *   divide      integer division by zero
 *   memory      a load beyond the memory
 *   null        a call through a null function pointer
 *   abort       abort()
 *   deep        recursion without end
 *   exit        exit code 3, with a line on stderr
 * Anything else: exit code 0, "fine" on stdout.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int zero;
static void (*volatile nowhere)(void);

__attribute__((noinline)) static int deep(int n) {
    return n == -1 ? 0 : deep(n + 1) + zero;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "divide"))
        return 1000 / zero;
    if (!strcmp(how, "memory"))
        return *(volatile int *)0xfffffff0;
    if (!strcmp(how, "null"))
        nowhere();
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "deep"))
        return deep(zero);
    if (!strcmp(how, "exit")) {
        write(2, "trap: asked to fail\n", 20);
        return 3;
    }
    write(1, "fine\n", 5);
    return 0;
}
