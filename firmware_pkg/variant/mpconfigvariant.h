// Backfence's variant of MicroPython's unix port: what the agent uses, and no more.

// Whole numbers, floats and the language itself as in the port's standard variant:
// a job must come out the same on every interpreter.
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_DEBUG_PRINTERS (0)
#include "ports/unix/variants/mpconfigvariant_common.h"

// musl has getrandom(2), but the port looks for glibc.  Its other way, /dev/random, may give
// fewer bytes than a key needs on kernels before 5.6, or wait for ever.
#include <sys/random.h>
#define _HAVE_GETRANDOM

// The agent is in the executable: no other place is looked at by itself.
#define MICROPY_PY_SYS_PATH_DEFAULT ".frozen"

// Numbers of any length in digits of 32 bits where a word has 64: multiplying is
// what a handshake takes its time for.
#ifdef __LP64__
#undef MPZ_DIG_SIZE
#define MPZ_DIG_SIZE (32)
#endif

// Modules that the agent does not import.
#undef MICROPY_PY_MACHINE
#undef MICROPY_PY_MACHINE_PULSE
#undef MICROPY_PY_MACHINE_PIN_BASE
#undef MICROPY_PY_WEBSOCKET
#define MICROPY_PY_ASYNCIO (0)
#define MICROPY_PY_CMATH (0)
#define MICROPY_PY_DEFLATE (0)
#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_HEAPQ (0)
#define MICROPY_PY_MATH_FACTORIAL (0)
#define MICROPY_PY_MATH_SPECIAL_FUNCTIONS (0)
#define MICROPY_PY_PLATFORM (0)
#define MICROPY_PY_RANDOM (0)
#define MICROPY_PY_RE (0)
#define MICROPY_PY_BUILTINS_COMPLEX (0)

// What a person at a prompt has use for, or somebody who debugs the interpreter.
#undef MICROPY_MALLOC_USES_ALLOCATED_SIZE
#undef MICROPY_MEM_STATS
#define MICROPY_PY_BUILTINS_HELP (0)
#define MICROPY_PY_MICROPYTHON_MEM_INFO (0)

// File systems of its own: the kernel has them.
#undef MICROPY_VFS_ROM
