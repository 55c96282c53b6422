// What MicroPython's cryptolib and hashlib need of Mbed TLS: AES in blocks, SHA-256.
#define MBEDTLS_AES_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_SHA256_C
// Tables in ROM, a quarter of them: the rest is computed.
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
