/* functions_network.c: IP addresses, UUIDs and ULIDs as text. */
#include <arpa/inet.h>

#include "expr/calendar.h"
#include "expr/library.h"
#include "base/banned.h"

/* An address as 16 bytes; IPv4 in the last four, `bits` is 32 or 128. */
struct address {
    unsigned char bytes[16];
    int bits;
};

static int address_parse(const char *text, size_t length, struct address *address) {
    char room[INET6_ADDRSTRLEN];
    if (length >= sizeof room || memchr(text, 0, length) != NULL)
        return 0;
    memcpy(room, text, length);
    room[length] = 0;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, room, address->bytes + 12) == 1) {
        address->bits = 32;
        return 1;
    }
    address->bits = 128;
    return inet_pton(AF_INET6, room, address->bytes) == 1;
}

static void put_address(struct wr_call *call, uint32_t row, const struct address *address) {
    char room[INET6_ADDRSTRLEN];
    const void *bytes = address->bits == 32 ? address->bytes + 12 : address->bytes;
    if (inet_ntop(address->bits == 32 ? AF_INET : AF_INET6, bytes, room, sizeof room) == NULL)
        return;
    size_t length = strlen(room);
    char small[WR_STR_INLINE_MAX];
    char *to = fn_room(call, row, length, small);
    if (to == NULL)
        return;
    memcpy(to, room, length);
    fn_piece(call, row, to, length);
}

/* Clears the bits behind the first `keep` of an address. */
static void address_mask(struct address *address, int keep) {
    int from = 128 - address->bits + keep; /* in the 16 bytes */
    for (int i = 0; i < 16; i++) {
        int bits = WR_MIN(WR_MAX(from - i * 8, 0), 8);
        address->bytes[i] &= (unsigned char)(0xff00 >> bits);
    }
}

/* "10.0.0.0/8"; without a length one address. */
static int cidr_parse(const struct wr_str *text, struct address *address, int *keep) {
    const char *bytes = wr_str_bytes(text);
    const char *slash = memchr(bytes, '/', text->length);
    size_t length = slash == NULL ? text->length : (size_t)(slash - bytes);
    if (!address_parse(bytes, length, address))
        return 0;
    *keep = address->bits;
    if (slash == NULL)
        return 1;
    const char *end = bytes + text->length;
    if (slash + 1 == end || end - slash > 4)
        return 0;
    *keep = 0;
    for (const char *at = slash + 1; at < end; at++) {
        if (*at < '0' || *at > '9')
            return 0;
        *keep = *keep * 10 + (*at - '0');
    }
    return *keep <= address->bits;
}

static int ip_parse_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        struct address address;
        if (address_parse(wr_str_bytes(text), text->length, &address))
            put_address(call, row, &address);
        else
            wr_call_nil(call, row);
    }
    return WR_OK;
}

static void no_address(struct wr_call *call, uint32_t row, uint32_t arg, const char *what) {
    const struct wr_str *text = fn_str(call, arg, row);
    wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no %s", (int)WR_MIN(text->length, 60u),
                 wr_str_bytes(text), what);
}

static int ip_in_cidr_kernel(struct wr_call *call) {
    struct address net;
    int keep = 0;
    int parsed = 0;
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        struct address address;
        if (!parsed || !call->arg_constant[1])
            parsed = cidr_parse(fn_str(call, 1, row), &net, &keep);
        if (!parsed) {
            no_address(call, row, 1, "network like 10.0.0.0/8");
            continue;
        }
        if (!address_parse(wr_str_bytes(text), text->length, &address)) {
            no_address(call, row, 0, "IP address");
            continue;
        }
        struct address of_net = net;
        address_mask(&of_net, keep);
        address_mask(&address, keep);
        FN_OUT_BOOL(call)
        [row] = address.bits == net.bits && memcmp(address.bytes, of_net.bytes, 16) == 0;
    }
    return WR_OK;
}

static int ip_mask_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        struct address address;
        if (!address_parse(wr_str_bytes(text), text->length, &address)) {
            no_address(call, row, 0, "IP address");
            continue;
        }
        int64_t keep = fn_int(call, address.bits == 32 ? 1 : 2, row);
        if (keep < 0 || keep > address.bits) {
            wr_call_fail(call, row, WR_REJECT_TYPE, "%lld bits of %d", (long long)keep,
                         address.bits);
            continue;
        }
        address_mask(&address, (int)keep);
        put_address(call, row, &address);
    }
    return WR_OK;
}

/* ---- identifiers ---------------------------------------------------------------------------- */

static int uuid_valid_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const char *bytes = wr_str_bytes(text);
        int good = text->length == 36;
        for (uint32_t i = 0; good && i < 36; i++) {
            int lower = bytes[i] | 32;
            int hex = (bytes[i] >= '0' && bytes[i] <= '9') || (lower >= 'a' && lower <= 'f');
            good = i == 8 || i == 13 || i == 18 || i == 23 ? bytes[i] == '-' : hex;
        }
        FN_OUT_BOOL(call)[row] = (uint8_t)good;
    }
    return WR_OK;
}

/* The first ten letters (Crockford's base 32) are milliseconds since 1970. */
static int ulid_time_kernel(struct wr_call *call) {
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const char *bytes = wr_str_bytes(text);
        uint64_t value = 0;
        int good = text->length == 26 && bytes[0] <= '7';
        for (int i = 0; good && i < 26; i++) {
            char c = bytes[i];
            c = (char)(c >= 'a' && c <= 'z' ? c & ~32 : c);
            const char *found = c == 0 ? NULL : strchr(letters, c);
            good = found != NULL;
            if (good && i < 10)
                value = value << 5 | (uint64_t)(found - letters);
        }
        if (good)
            FN_OUT_INT(call)[row] = (int64_t)value * 1000;
        else
            no_address(call, row, 0, "ULID");
    }
    return WR_OK;
}

#define NETWORK_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "network and id", .flags = FN_PURE | (own_flags), \
        .doc = own_doc, .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_network[] = {
    NETWORK_ENTRY("ip_parse", WR_FN_CAN_NIL,
                  "An IPv4 or IPv6 address in its canonical form; nil when the text is none.",
                  "(x string) string", ip_parse_kernel,
                  {"ip_parse('2001:DB8:0:0::1')", "'2001:db8::1'"},
                  {"ip_parse('10.0.0.256')", "nil"}),
    NETWORK_ENTRY("ip_in_cidr", WR_FN_CAN_FAIL, "Whether an address lies in a network.",
                  "(x string, network string) bool", ip_in_cidr_kernel,
                  {"ip_in_cidr('10.1.2.3', '10.0.0.0/8')", "true"},
                  {"ip_in_cidr('2001:db8::1', '10.0.0.0/8')", "false"},
                  {"ip_in_cidr('x', '10.0.0.0/8')", "fails W501"}),
    NETWORK_ENTRY("ip_mask", WR_FN_CAN_FAIL,
                  "An address with only its first bits kept: 24 of IPv4, 48 of IPv6, or as said.",
                  "(x string, bits_of_v4 int64 = 24, bits_of_v6 int64 = 48) string", ip_mask_kernel,
                  {"ip_mask('192.168.17.42')", "'192.168.17.0'"},
                  {"ip_mask('2001:db8:1:2::3')", "'2001:db8:1::'"},
                  {"ip_mask('10.1.2.3', 8)", "'10.0.0.0'"}),
    NETWORK_ENTRY("uuid_valid", 0, "Whether the text is a UUID, with its dashes.",
                  "(x string) bool", uuid_valid_kernel,
                  {"uuid_valid('6ba7b810-9dad-11d1-80b4-00c04fd430c8')", "true"},
                  {"uuid_valid('6ba7b8109dad11d180b400c04fd430c8')", "false"}),
    NETWORK_ENTRY("ulid_time", WR_FN_CAN_FAIL, "The time that a ULID carries.",
                  "(x string) timestamp", ulid_time_kernel,
                  {"ulid_time('01ARYZ6S410000000000000000')", "2016-07-30T22:36:16.385Z"},
                  {"ulid_time('x')", "fails W501"}),
    {0},
};
