# Backfence's variant of MicroPython's unix port: what it leaves out, as far as make decides it.
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_SOCKET = 1
MICROPY_PY_THREAD = 0
MICROPY_PY_TERMIOS = 0
MICROPY_PY_SSL = 0
MICROPY_USE_READLINE = 0
MICROPY_VFS_FAT = 0
MICROPY_VFS_LFS1 = 0
MICROPY_VFS_LFS2 = 0

# AES and SHA-256 of Mbed TLS (MBEDTLS: its source tree) without its TLS.
CFLAGS_EXTMOD += -DMICROPY_SSL_MBEDTLS=1 -DMICROPY_PY_CRYPTOLIB=1
CFLAGS_EXTMOD += -DMBEDTLS_CONFIG_FILE='"crypto_config.h"' -I$(MBEDTLS)/include
SRC_THIRDPARTY_C += library/aes.c library/platform_util.c library/sha256.c
vpath library/%.c $(MBEDTLS)
