/* A QEMU plugin that counts the instructions of a one-threaded user program.

   Whenever the program writes to its standard error, and at its end, the count so far
   is printed as one line to the file named in the argument out=FILE.  write=N is the
   number of the processor's system call `write`.

   The few declarations stand for qemu-plugin.h, which Debian does not package. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum { ADD_U64 = 0 };
#define EXPORT __attribute__((visibility("default")))

typedef void (*on_tb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*on_syscall)(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2,
                           uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*on_end)(qemu_plugin_id_t id, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, on_tb call);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *at, uint64_t value);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, on_syscall call);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, on_end call, void *data);

EXPORT int qemu_plugin_version = 1;

static uint64_t count;
static int64_t write_number;
static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &count, qemu_plugin_tb_n_insns(tb));
}

static void tell(void)
{
    fprintf(out, "%llu\n", (unsigned long long)count);
    fflush(out);
}

static void called(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    if (number == write_number && a1 == 2)
        tell();
}

static void ended(qemu_plugin_id_t id, void *data)
{
    tell();
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else if (!strncmp(argv[i], "write=", 6))
            write_number = atoll(argv[i] + 6);
    }
    if (!out || !write_number)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
