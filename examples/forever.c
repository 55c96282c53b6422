/* forever: a job that never ends; only its fuel or the agent stops it. */
#include <unistd.h>

int main(void) {
    volatile unsigned n = 0;
    write(1, "begun\n", 6);
    for (;;)
        n++;
}
