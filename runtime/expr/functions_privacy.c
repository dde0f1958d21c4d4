/* functions_privacy.c: text that no longer tells whom it is about. */
#include "expr/library.h"
#include "expr/pii.h"
#include "base/banned.h"

#define TOKEN_BYTES 16

static int is_start(char c) { /* of a character in UTF-8 */
    return (c & 0xc0) != 0x80;
}

static int mask_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *str = fn_str(call, 0, row), *with = fn_str(call, 2, row);
        const char *bytes = wr_str_bytes(str);
        int64_t keep = fn_int(call, 1, row);
        uint32_t kept_from = str->length;
        for (int64_t left = keep; left > 0 && kept_from > 0; left -= is_start(bytes[kept_from]))
            kept_from--;
        struct fn_text text = {.call = call};
        for (uint32_t i = 0; i < kept_from; i++)
            if (is_start(bytes[i]))
                fn_text_add(&text, wr_str_bytes(with), with->length);
        fn_text_add(&text, bytes + kept_from, str->length - kept_from);
        fn_text_end(&text, row);
    }
    return WR_OK;
}

static int tokenize_kernel(struct wr_call *call) {
    int status = WR_OK;
    FN_EACH(call, row) {
        const struct wr_str *key = fn_str(call, 1, row);
        if (key->length == 0)
            wr_call_fail(call, row, WR_REJECT_TYPE, "an empty key: anybody could make its tokens");
        else if (status == WR_OK)
            status = wr_call_hmac(call, row, fn_str(call, 0, row), key, TOKEN_BYTES);
    }
    return status;
}

static void redact_row(struct wr_call *call, uint32_t row, const struct wr_str *str) {
    const char *bytes = wr_str_bytes(str);
    struct fn_text text = {.call = call};
    uint32_t kept = 0;
    for (size_t at = 0, found = 0; at < str->length; at += found) {
        const char *kind = wr_pii_at(bytes, str->length, at, &found);
        if (kind == NULL) {
            found = 1;
            continue;
        }
        fn_text_add(&text, bytes + kept, at - kept);
        fn_text_add(&text, "<", 1);
        fn_text_add(&text, kind, strlen(kind));
        fn_text_add(&text, ">", 1);
        kept = (uint32_t)(at + found);
    }
    if (kept == 0) {
        fn_piece(call, row, bytes, str->length);
        return;
    }
    fn_text_add(&text, bytes + kept, str->length - kept);
    fn_text_end(&text, row);
}

static int redact_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        redact_row(call, row, fn_str(call, 0, row));
    }
    return WR_OK;
}

const struct wr_function wr_functions_privacy[] = {
    {.name = "mask",
     .group = "privacy",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD,
     .doc = "Each character becomes `with`, but for the last `keep` ones.",
     .signatures =
         FN_SIGNATURES({"(x string, keep int64 = 0, with string = '*') string", mask_kernel, NULL}),
     .examples = FN_EXAMPLES({"mask('4111111111111111', 4)", "'************1111'"},
                             {"mask('Zoë')", "'***'"}, {"mask('secret', 0, '')", "''"},
                             {"mask('ab', 5)", "'ab'"}, {"mask(nil)", "nil"})},
    {.name = "tokenize",
     .group = "privacy",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD,
     .doc = "A token of 32 hex digits in the place of x: the same for the same x and key, so that "
            "it can still be counted and joined. Nobody without the key can tell which x it stands "
            "for, or try them all. The first half of `hmac_sha256`.",
     .signatures = FN_SIGNATURES({"(x text, key text) string", tokenize_kernel, NULL}),
     .examples = FN_EXAMPLES({"tokenize('The quick brown fox jumps over the lazy dog', 'key')",
                              "'f7bc83f430538424b13298e6aa6fb143'"},
                             {"tokenize('a', 'k1') == tokenize('a', 'k2')", "false"},
                             {"tokenize('a', '')", "fails W502"})},
    {.name = "redact",
     .group = "privacy",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_METHOD,
     .doc = "What in a text points at a person becomes its kind: `<EMAIL_ADDRESS>`, "
            "`<CREDIT_CARD>` and `<IBAN_CODE>` (with good check digits), `<US_SSN>`, "
            "`<IP_ADDRESS>`, `<PHONE_NUMBER>` (with + and the country). By form alone: names and "
            "addresses of people stay.",
     .signatures = FN_SIGNATURES({"(x string) string", redact_kernel, NULL}),
     .examples = FN_EXAMPLES(
         {"redact('ask ann.b+x@mail.example.org.')", "'ask <EMAIL_ADDRESS>.'"},
         {"redact('card 4111 1111 1111 1111, not 4111111111111112')",
          "'card <CREDIT_CARD>, not 4111111111111112'"},
         {"redact('GB82 WEST 1234 5698 7654 32 from 10.0.0.1')", "'<IBAN_CODE> from <IP_ADDRESS>'"},
         {"redact('+49 (30) 901820 or fe80::1 or 078-05-1120')",
          "'<PHONE_NUMBER> or <IP_ADDRESS> or <US_SSN>'"},
         {"redact('v1.2.3.4.5, 12:30, 2024-01-01')", "'v1.2.3.4.5, 12:30, 2024-01-01'"})},
    {0},
};
