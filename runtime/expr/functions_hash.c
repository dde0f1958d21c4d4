/* functions_hash.c: hashes: XXH3, those of OpenSSL, CRC-32 of zlib, and UUIDs of version 5. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include "base/hash.h"
#include "expr/hex.h"
#include "expr/library.h"
#include "base/banned.h"

static int hash64_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        FN_OUT_INT(call)[row] = (int64_t)wr_hash_bytes(wr_str_bytes(str), str->length, 0);
    }
    return WR_OK;
}
static int hash64_int_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t value = fn_int(call, 0, row);
        FN_OUT_INT(call)[row] = (int64_t)wr_hash_bytes(&value, sizeof value, 0);
    }
    return WR_OK;
}
static int crc32_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        FN_OUT_INT(call)
        [row] = (int64_t)crc32(0, (const Bytef *)wr_str_bytes(str), (uInt)str->length);
    }
    return WR_OK;
}

static void put_hex(struct wr_call *call, uint32_t row, const unsigned char *digest,
                    unsigned length) {
    char *text = wr_call_room(call, 2 * length);
    if (text == NULL)
        return;
    wr_hex_encode((const char *)digest, length, text);
    wr_call_string(call, row, text, 2 * length);
}

/* One digest context for all rows of a call. */
static int digest_rows(struct wr_call *call, const EVP_MD *method) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        return WR_ENOMEM;
    int good = 1;
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        good = good && EVP_DigestInit_ex(context, method, NULL) == 1 &&
               EVP_DigestUpdate(context, wr_str_bytes(str), str->length) == 1 &&
               EVP_DigestFinal_ex(context, digest, &length) == 1;
        if (good)
            put_hex(call, row, digest, length);
    }
    EVP_MD_CTX_free(context);
    return good ? WR_OK : WR_ENOMEM;
}
static int md5_kernel(struct wr_call *call) {
    return digest_rows(call, EVP_md5());
}
static int sha1_kernel(struct wr_call *call) {
    return digest_rows(call, EVP_sha1());
}
static int sha256_kernel(struct wr_call *call) {
    return digest_rows(call, EVP_sha256());
}
static int sha512_kernel(struct wr_call *call) {
    return digest_rows(call, EVP_sha512());
}

int wr_call_hmac(struct wr_call *call, uint32_t row, const struct wr_str *text,
                 const struct wr_str *key, unsigned bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (HMAC(EVP_sha256(), wr_str_bytes(key), (int)key->length,
             (const unsigned char *)wr_str_bytes(text), text->length, digest, &length) == NULL)
        return WR_ENOMEM;
    put_hex(call, row, digest, WR_MIN(length, bytes));
    return WR_OK;
}

static int hmac_sha256_kernel(struct wr_call *call) {
    int status = WR_OK;
    FN_EACH(call, row) {
        if (status == WR_OK)
            status = wr_call_hmac(call, row, fn_str(call, 0, row), fn_str(call, 1, row),
                                  EVP_MAX_MD_SIZE);
    }
    return status;
}

/* ---- uuid5 ---------------------------------------------------------------------------------- */

/* The 16 bytes of a UUID as text; 0 when it is none. */
static int uuid_parse(const struct wr_str *text, char bytes[16]) {
    char digits[32];
    const char *from = wr_str_bytes(text);
    if (text->length != 36)
        return 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < 36; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (from[i] == '-'))
            return 0;
        if (!dash)
            digits[n++] = from[i];
    }
    return wr_hex_decode(digits, 32, bytes);
}
static void put_uuid(struct wr_call *call, uint32_t row, const char bytes[16]) {
    char digits[32];
    char *text = wr_call_room(call, 36);
    if (text == NULL)
        return;
    wr_hex_encode(bytes, 16, digits);
    for (uint32_t i = 0, n = 0; i < 36; i++)
        text[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : digits[n++];
    wr_call_string(call, row, text, 36);
}

/* RFC 9562, 5.5: SHA-1 of the name space and the name. */
static int uuid5_kernel(struct wr_call *call) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        return WR_ENOMEM;
    int good = 1;
    FN_EACH(call, row) {
        const struct wr_str *space = fn_str(call, 0, row);
        const struct wr_str *name = fn_str(call, 1, row);
        char bytes[16];
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        if (!uuid_parse(space, bytes)) {
            wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no UUID",
                         (int)WR_MIN(space->length, 40u), wr_str_bytes(space));
            continue;
        }
        good = good && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
               EVP_DigestUpdate(context, bytes, 16) == 1 &&
               EVP_DigestUpdate(context, wr_str_bytes(name), name->length) == 1 &&
               EVP_DigestFinal_ex(context, digest, &length) == 1;
        memcpy(bytes, digest, 16);
        bytes[6] = (char)((bytes[6] & 0x0f) | 0x50);
        bytes[8] = (char)((bytes[8] & 0x3f) | 0x80);
        if (good)
            put_uuid(call, row, bytes);
    }
    EVP_MD_CTX_free(context);
    return good ? WR_OK : WR_ENOMEM;
}

#define HASH_ENTRY(own_name, own_doc, kernel, ...) \
    { \
        .name = own_name, .group = "hashes", .flags = FN_PURE, .doc = own_doc, \
        .signatures = FN_SIGNATURES({"(x text) string", kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_hash[] = {
    {.name = "hash64",
     .group = "hashes",
     .flags = FN_PURE,
     .doc = "A fast hash of 64 bits (XXH3, seed 0), the same everywhere and for ever; not against "
            "attackers.",
     .signatures = FN_SIGNATURES({"(x text) int64", hash64_kernel, NULL},
                                 {"(x int64) int64", hash64_int_kernel, NULL}),
     .examples = FN_EXAMPLES({"hash64('')", "3244421341483603138"},
                             {"hash64('a') == hash64('b')", "false"})},
    {.name = "crc32",
     .group = "hashes",
     .flags = FN_PURE,
     .doc = "The CRC-32 of gzip and PNG.",
     .signatures = FN_SIGNATURES({"(x text) int64", crc32_kernel, NULL}),
     .examples = FN_EXAMPLES({"crc32('123456789')", "3421780262"}, {"crc32('')", "0"})},
    HASH_ENTRY("md5", "The MD5 as 32 hex digits.", md5_kernel,
               {"md5('')", "'d41d8cd98f00b204e9800998ecf8427e'"},
               {"md5('abc')", "'900150983cd24fb0d6963f7d28e17f72'"}),
    HASH_ENTRY("sha1", "The SHA-1 as 40 hex digits.", sha1_kernel,
               {"sha1('abc')", "'a9993e364706816aba3e25717850c26c9cd0d89d'"}, {"#sha1('')", "40"}),
    HASH_ENTRY(
        "sha256", "The SHA-256 as 64 hex digits.", sha256_kernel,
        {"sha256('abc')", "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"},
        {"#sha256('')", "64"}),
    HASH_ENTRY("sha512", "The SHA-512 as 128 hex digits.", sha512_kernel,
               {"left(sha512('abc'), 16)", "'ddaf35a193617aba'"}, {"#sha512('')", "128"}),
    {.name = "hmac_sha256",
     .group = "hashes",
     .flags = FN_PURE,
     .doc = "The HMAC-SHA-256 of x with a key, as 64 hex digits.",
     .signatures = FN_SIGNATURES({"(x text, key text) string", hmac_sha256_kernel, NULL}),
     .examples = FN_EXAMPLES({"hmac_sha256('The quick brown fox jumps over the lazy dog', 'key')",
                              "'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8'"},
                             {"#hmac_sha256('', '')", "64"})},
    {.name = "uuid5",
     .group = "hashes",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The UUID (version 5) of a name in a name space, which is a UUID itself.",
     .signatures = FN_SIGNATURES({"(space string, name string) string", uuid5_kernel, NULL}),
     .examples = FN_EXAMPLES({"uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')",
                              "'2ed6657d-e927-568b-95e1-2665a8aea6a2'"},
                             {"uuid5('x', 'y')", "fails W502"})},
    {0},
};
