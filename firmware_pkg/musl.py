"""musl, the C library of the static executables, from Debian's source.

Debian has no musl for big-endian MIPS, and what it has elsewhere is not compiled for
size; so all processors get theirs the same way.  Only what MicroPython links is
compiled: that takes a quarter of the time.
"""

from .processors import BuildError
from .steps import run

# Part of the cache's name: raise it when the commands below change.
RECIPE = 1
PACKAGE = "musl"
FLAGS = (
    "-Os -g0 -ffunction-sections -fdata-sections -fno-stack-protector -fno-pie"
    " -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer"
)
# musl's source files by folder; a file of the processor's own comes instead where there is one.
# The linker says what is missing; what is too much it leaves out.
FILES = {
    "ctype": "isalnum",
    "dirent": "closedir opendir readdir",
    "env": "__environ __init_tls __libc_start_main __stack_chk_fail getenv putenv setenv unsetenv",
    "errno": "__errno_location strerror",
    "exit": "_Exit abort abort_lock exit",
    "fcntl": "fcntl open",
    "fenv": "fenv fenv-hf fenv-sf",
    "internal": "defsysinfo floatscan intscan libc procfdname shgetc syscall_ret vdso",
    "linux": "clone getrandom",
    "locale": "__lctrans c_locale",
    "malloc": "calloc free libc_calloc lite_malloc malloc realloc replaced",
    "malloc/mallocng": "aligned_alloc donate free malloc malloc_usable_size realloc",
    "math": "__cos __expo2 __fpclassify __fpclassifyl __signbitl __math_divzero __math_invalid __math_oflow __math_uflow"
            " __math_xflow __rem_pio2 __rem_pio2_large __signbit __sin __tan acos asin atan atan2 ceil"
            " copysign cos exp exp_data fabs floor fmod frexp frexpl ldexp log log2 log2_data log_data"
            " modf nearbyint pow pow_data rint round scalbn sin sqrt sqrt_data tan trunc",
    "misc": "ioctl realpath",
    "mman": "madvise mmap mprotect mremap munmap",
    "multibyte": "internal mbsrtowcs mbstowcs mbrtowc mbsinit wcrtomb wctomb",
    "network": "accept bind connect dn_expand dns_parse freeaddrinfo getaddrinfo getsockname htons"
               " if_nametoindex inet_aton inet_ntop inet_pton listen lookup_ipliteral lookup_name"
               " lookup_serv ntohl ntohs recv recvfrom recvmsg res_mkquery res_msend resolvconf send"
               " sendmsg sendto setsockopt socket",
    "process": "execve posix_spawn posix_spawnattr_destroy posix_spawnattr_init posix_spawnattr_setflags"
               " posix_spawnattr_setsigdefault posix_spawnattr_setsigmask system waitpid",
    "sched": "sched_yield",
    "select": "poll select",
    "setjmp": "setjmp longjmp",
    "signal": "block raise restore sigaction sigaddset sigemptyset sigismember signal sigprocmask"
              " sigsetjmp sigsetjmp_tail",
    "stat": "fstat fstatat mkdir stat statvfs",
    "stdio": "__fclose_ca __fopen_rb_ca __lockfile __overflow __stdio_close __stdio_exit __stdio_read"
             " __stdio_seek __stdio_write __stdout_write __toread __towrite __uflow fflush fgets fprintf"
             " fputc fputs fread fwrite getc ofl printf putc putchar puts rename snprintf stderr stdin"
             " stdout vfprintf vsnprintf vprintf",
    "stdlib": "abs atoi qsort qsort_nr strtol",
    "string": "memchr memcmp memcpy memmove memrchr memset stpcpy stpncpy strcat strchr strchrnul strcmp"
              " strcpy strcspn strdup strlen strncmp strncpy strnlen strrchr strspn strstr",
    "thread": "__lock __set_thread_area __syscall_cp __unmapself __wait clone default_attr"
              " pthread_cleanup_push pthread_setcancelstate pthread_sigmask pthread_testcancel"
              " syscall_cp",
    "time": "__map_file __month_to_secs __secs_to_tm __tm_to_secs __tz __year_to_secs clock clock_gettime"
            " clock_nanosleep gettimeofday gmtime gmtime_r localtime localtime_r mktime nanosleep time",
    "unistd": "_exit chdir close fsync getcwd getpid isatty lseek pipe pipe2 read readlink rmdir unlink"
              " usleep write",
}


def build(processor, source, folder, log):
    """Compiles musl from the tree `source` in `folder`; returns the root with include/ and lib/.

    log: the path of what the commands say.  BuildError.
    """
    prefix = processor.prefix()
    flags = f"{FLAGS} {' '.join(processor.flags)} -ffile-prefix-map={source}=musl"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    configure = [
        source / "configure", f"--target={processor.musl}", "--prefix=/", "--disable-shared",
        "--disable-wrapper", f"CROSS_COMPILE={prefix}", f"CC={prefix}gcc {' '.join(processor.flags)}",
        f"CFLAGS={flags}",
    ]
    run(configure, folder, log)
    architecture = next(
        line.split()[2] for line in (folder / "config.mak").read_text().splitlines() if line.startswith("ARCH =")
    )
    objects = objects_of(source, architecture)
    run(["make", f"LIBC_OBJS={' '.join(objects)}", "lib/libc.a", "lib/libm.a", "lib/crt1.o", "lib/crti.o", "lib/crtn.o"],
        folder, log)
    run(["make", "install-headers", f"DESTDIR={root}"], folder, log)
    (root / "lib").mkdir(exist_ok=True)
    for name in ("libc.a", "libm.a", "crt1.o", "crti.o", "crtn.o"):
        (folder / "lib" / name).replace(root / "lib" / name)
    return root


def objects_of(source, architecture):
    """The objects of FILES as musl's make names them: the processor's own file comes before the general one."""
    found = []
    for name, words in FILES.items():
        for word in words.split():
            for below in (f"{name}/{architecture}", name):
                if any((source / "src" / below / f"{word}.{end}").exists() for end in "csS"):
                    found.append(f"obj/src/{below}/{word}.o")
                    break
    if not found:
        raise BuildError(f"{source} is not musl's source")
    return found
