/* test_pii.c: what is found in a text by its form, what is not, and that any bytes end. */
#include "test.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "expr/pii.h"

/* All that is found, as "KIND:text KIND:text". */
static const char *found_in(const char *text, size_t length) {
    static char found[512];
    size_t used = 0, one = 0;
    found[0] = 0;
    for (size_t at = 0; at < length; at += one) {
        const char *kind = wr_pii_at(text, length, at, &one);
        if (kind == NULL) {
            one = 1;
            continue;
        }
        CHECK(one > 0 && one <= length - at);
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%s:%.*s",
                                 used > 0 ? "; " : "", kind, (int)one, text + at);
    }
    return found;
}

#define CHECK_FOUND(text, expected) CHECK_STR(found_in(text, strlen(text)), expected)

TEST(pii_finds_what_has_its_form) {
    CHECK_FOUND("a@b.de", "EMAIL_ADDRESS:a@b.de");
    CHECK_FOUND("<ann.b+tag@mail.example.org>, x_1@host-2.co.uk.",
                "EMAIL_ADDRESS:ann.b+tag@mail.example.org; EMAIL_ADDRESS:x_1@host-2.co.uk");
    CHECK_FOUND("jörg@müller.de", "EMAIL_ADDRESS:jörg@müller.de");
    CHECK_FOUND("4111-1111-1111-1111 5500000000000004", "CREDIT_CARD:4111-1111-1111-1111; "
                                                        "CREDIT_CARD:5500000000000004");
    CHECK_FOUND("DE89370400440532013000", "IBAN_CODE:DE89370400440532013000");
    CHECK_FOUND("to DE89 3704 0044 0532 0130 00 now", "IBAN_CODE:DE89 3704 0044 0532 0130 00");
    CHECK_FOUND("ES91 2100 0418 4502 0005 1332 is mine", "IBAN_CODE:ES91 2100 0418 4502 0005 1332");
    CHECK_FOUND("'ann@x.org'", "EMAIL_ADDRESS:ann@x.org");
    CHECK_FOUND("078-05-1120", "US_SSN:078-05-1120");
    CHECK_FOUND("from 255.255.255.255:80", "IP_ADDRESS:255.255.255.255");
    CHECK_FOUND("[2001:db8::ff00:42:8329]", "IP_ADDRESS:2001:db8::ff00:42:8329");
    CHECK_FOUND("1:2:3:4:5:6:7:8", "IP_ADDRESS:1:2:3:4:5:6:7:8");
    CHECK_FOUND("call +1 (555) 010-9999!", "PHONE_NUMBER:+1 (555) 010-9999");
}

TEST(pii_leaves_what_only_looks_like_it) {
    CHECK_FOUND("", "");
    CHECK_FOUND("a@b, @c.de, a@.de, a@b.c, a b@", "");
    CHECK_FOUND("4111111111111112", "");     /* Luhn */
    CHECK_FOUND("41111111111111111111", ""); /* too long */
    CHECK_FOUND("1111111111111117", "");     /* no card begins with 1 */
    CHECK_FOUND("DE88370400440532013000", "");
    CHECK_FOUND("DE89370400440532013000x", "");
    CHECK_FOUND("000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 123-45-67890", "");
    CHECK_FOUND("256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 1.2.3.4x", "");
    CHECK_FOUND("12:30:45 a::b std::vector 1:2:3:4:5:6:7 1::2::333", "");
    CHECK_FOUND("+12 345, 3+5, +1234567890123456", "");
}

TEST(pii_ends_on_any_bytes) {
    static const char alphabet[] = "09:.@+- ()aFDEx\xc3\xa9_%";
    uint64_t seed = test_seed();
    do {
        char text[400];
        size_t length = wr_hash_u64(seed, 1) % sizeof text;
        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[wr_hash_u64(seed, i + 2) % (sizeof alphabet - 1)];
        char *copy = wr_alloc(&wr_budget_control,
                              length + 1); /* so that a sanitizer sees a read behind the end */
        memcpy(copy, text, length);
        size_t one = 0;
        for (size_t at = 0; at < length; at++)
            if (wr_pii_at(copy, length, at, &one) != NULL)
                CHECK(one > 0 && one <= length - at);
        wr_free(&wr_budget_control, copy);
        seed = wr_hash_u64(seed, 0);
    } while (test_random_time_left());
}
