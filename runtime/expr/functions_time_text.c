/* functions_time_text.c: times as text in a zone, and back. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "expr/calendar.h"
#include "expr/library.h"
#include "expr/time_text.h"
#include "base/banned.h"

/* 1; or 0: the row has failed. */
static int put_local(struct wr_call *call, uint32_t row, struct wr_zones *zones, int64_t us,
                     const char *format, uint32_t format_length) {
    struct fn_text out = {.call = call};
    wr_zones_offset(zones, us);
    if (!wr_time_text(&out, format, format_length, us, &zones->span)) {
        wr_call_fail(call, row, WR_REJECT_TYPE, "'%.*s' is no format of times",
                     (int)WR_MIN(format_length, 64u), format);
        return 0;
    }
    fn_text_end(&out, row);
    return !out.failed;
}

/* The text that was made last, and the times that have the same one: most rows lie next to others
 * of the same minute or day. */
struct text_memo {
    struct wr_str format;
    const struct wr_zone *zone;
    int64_t step_s;       /* of the format */
    int64_t from_s, to_s; /* seconds since 1970 UTC; an empty stretch: none */
    struct wr_str text;
};

static void memo_set(struct text_memo *memo, const struct wr_zones *zones, int64_t time_s,
                     const struct wr_str *text) {
    const struct wr_zone_span *span = &zones->span;
    int64_t from_s = time_s - wr_floor_mod(time_s + span->offset_s, memo->step_s);
    memo->zone = zones->zone;
    memo->from_s = WR_MAX(from_s, span->from_s);
    memo->to_s = WR_MIN(from_s + memo->step_s, span->to_s);
    memo->text = *text;
}

static int format_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    struct text_memo memo = {0};
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 2, row);
        if (zone == NULL)
            continue;
        const struct wr_str *format = fn_str(call, 1, row);
        int64_t us = fn_int(call, 0, row), time_s = wr_floor_div(us, WR_US_PER_SECOND);
        if (memo.text.length == 0 || !wr_str_equal(format, &memo.format)) {
            memo = (struct text_memo){.format = *format};
            memo.step_s = wr_time_format_step_s(wr_str_bytes(format), format->length);
        } else if (time_s >= memo.from_s && time_s < memo.to_s && zone == memo.zone) {
            FN_OUT_STR(call)[row] = memo.text;
            continue;
        }
        if (put_local(call, row, &zones, us, wr_str_bytes(format), format->length) &&
            memo.step_s > 0)
            memo_set(&memo, &zones, time_s, &FN_OUT_STR(call)[row]);
    }
    return WR_OK;
}

static int format_date_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    zones.zone = wr_zone_utc();
    FN_EACH(call, row) {
        const struct wr_str *format = fn_str(call, 1, row);
        int64_t us;
        if (__builtin_mul_overflow(fn_int(call, 0, row), WR_US_PER_DAY, &us))
            wr_time_too_far(call, row);
        else
            put_local(call, row, &zones, us, wr_str_bytes(format), format->length);
    }
    return WR_OK;
}

static int to_zone_kernel(struct wr_call *call) {
    static const char whole[] = "%Y-%m-%dT%H:%M:%S%:z";
    static const char fraction[] = "%Y-%m-%dT%H:%M:%S.%f%:z";
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        if (wr_zones_get(&zones, call, 1, row) == NULL)
            continue;
        int64_t us = fn_int(call, 0, row);
        int has_fraction = us % WR_US_PER_SECOND != 0;
        put_local(call, row, &zones, us, has_fraction ? fraction : whole,
                  (uint32_t)(has_fraction ? sizeof fraction : sizeof whole) - 1);
    }
    return WR_OK;
}

static int parse_time_kernel(struct wr_call *call) {
    struct wr_zones zones;
    wr_zones_init(&zones);
    FN_EACH(call, row) {
        const struct wr_zone *zone = wr_zones_get(&zones, call, 2, row);
        if (zone == NULL)
            continue;
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *format = fn_str(call, 1, row);
        char room[256];
        int64_t us;
        if (format->length < sizeof room) {
            memcpy(room, wr_str_bytes(format), format->length);
            room[format->length] = 0;
        }
        if (format->length >= sizeof room ||
            !wr_timestamp_parse_as(room, wr_str_bytes(text), text->length, &us)) {
            wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no time of this format",
                         (int)WR_MIN(text->length, 64u), wr_str_bytes(text));
            continue;
        }
        FN_OUT_INT(call)[row] = us;
        if (!wr_time_format_has_zone(room) &&
            !wr_local_to_timestamp(zone, us, &FN_OUT_INT(call)[row]))
            wr_time_too_far(call, row);
    }
    return WR_OK;
}

/* `HH:mm` as others write it → `%H:%M`; 0 when a letter is none that is known, or does not fit. */
static int translate_format(const char *format, uint32_t length, char *out, size_t size) {
    static const char *const letters[][2] = {
        {"yyyy", "%Y"}, {"YYYY", "%Y"}, {"yy", "%y"},   {"YY", "%y"},  {"MMMM", "%B"},
        {"MMM", "%b"},  {"MM", "%m"},   {"DD", "%d"},   {"dd", "%d"},  {"d", "%e"},
        {"HH", "%H"},   {"hh", "%I"},   {"mm", "%M"},   {"MI", "%M"},  {"ss", "%S"},
        {"SSS", "%f"},  {"SS", "%S"},   {"EEEE", "%A"}, {"EEE", "%a"}, {"a", "%p"},
    };
    size_t at = 0;
    for (uint32_t i = 0; i < length;) {
        uint32_t run = 1;
        while (i + run < length && format[i + run] == format[i])
            run++;
        const char *piece = NULL;
        int is_letter = (format[i] | 32) >= 'a' && (format[i] | 32) <= 'z';
        for (uint32_t k = 0; is_letter && piece == NULL && k < WR_COUNT(letters); k++)
            if (strlen(letters[k][0]) == run && memcmp(letters[k][0], format + i, run) == 0)
                piece = letters[k][1];
        if (piece == NULL && is_letter)
            return 0;
        int wrote = piece != NULL ? snprintf(out + at, size - at, "%s", piece)
                                  : snprintf(out + at, size - at, "%.*s", (int)run, format + i);
        at += (size_t)wrote;
        if (at >= size)
            return 0;
        i += run;
    }
    return 1;
}

/* W115 for a format that is the same for every time: its letters are not those of strftime. */
static int refuse_constant(const struct wr_value *format, struct wr_error *err) {
    char meant[128];
    if (memchr(format->string, '%', format->count) != NULL || format->count == 0)
        return WR_OK;
    wr_error_script(err, "W115",
                    "the format `%.60s` has no `%%` and would not tell one time from "
                    "another",
                    format->string);
    if (translate_format(format->string, format->count, meant, sizeof meant))
        wr_error_help(err, "it is written as strftime has it: `%s`", meant);
    else
        wr_error_help(err, "it is written as strftime has it: `%%Y-%%m-%%d %%H:%%M:%%S`");
    return WR_ESCRIPT;
}

static int format_prepare(struct wr_arena *arena, uint32_t arg_count,
                          const struct wr_value *const *constants, void **prepared,
                          struct wr_error *err) {
    *prepared = NULL;
    int status = arg_count < 3 ? WR_OK /* dates have no zone */
                               : wr_zone_prepare(arena, arg_count, constants, prepared, err);
    if (status != WR_OK)
        return status;
    uint32_t bad;
    if (constants[1] != NULL && constants[1]->kind == WR_VALUE_STRING &&
        (status = refuse_constant(constants[1], err)) != WR_OK)
        return status;
    if (constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING ||
        wr_time_format_check(constants[1]->string, constants[1]->count, &bad))
        return WR_OK;
    wr_error_script(err, "W115", "bad format at byte %u", bad);
    wr_error_help(err, "%%Y %%m %%d %%H %%M %%S %%f %%z %%:z %%Z %%b %%B %%a %%A %%j %%p %%I %%y "
                       "%%e %%s %%T %%F %%V %%G %%u %%%%");
    return WR_ESCRIPT;
}

static int parse_prepare(struct wr_arena *arena, uint32_t arg_count,
                         const struct wr_value *const *constants, void **prepared,
                         struct wr_error *err) {
    int status = wr_zone_prepare(arena, arg_count, constants, prepared, err);
    return status != WR_OK || constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING
               ? status
               : refuse_constant(constants[1], err);
}

const struct wr_function wr_functions_time_text[] = {
    CALENDAR_ENTRY(
        "format_time", "A time as text, by a format as strftime has it (%f: microseconds).",
        .signatures =
            FN_SIGNATURES({"(x timestamp, format string, zone string = '') string",
                           format_time_kernel, format_prepare},
                          {"(x date, format string) string", format_date_kernel, format_prepare}),
        .examples = FN_EXAMPLES(
            {"format_time(date'2024-03-31', '%d.%m.%Y')", "'31.03.2024'"},
            {"format_time(timestamp'2024-03-31T10:20:30Z', '%H:%M %Z', 'Europe/Berlin')",
             "'12:20 CEST'"},
            {"format_time(date'2024-12-30', '%G-W%V-%u %a')", "'2025-W01-1 Mon'"})),
    CALENDAR_ENTRY(
        "parse_time",
        "The timestamp that a text says in a format as strptime has it; without an offset in the "
        "text it is read in the zone.",
        .signatures = FN_SIGNATURES({"(x string, format string, zone string = '') timestamp",
                                     parse_time_kernel, parse_prepare}),
        .examples =
            FN_EXAMPLES({"parse_time('31.03.2024 12:20', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
                         "2024-03-31T10:20:00Z"},
                        {"parse_time('2024-03-31 10:20:30 +0200', '%Y-%m-%d %H:%M:%S %z')",
                         "2024-03-31T08:20:30Z"},
                        {"parse_time('noon', '%H:%M')", "fails W501"})),
    CALENDAR_ENTRY(
        "to_zone", "A time as text with the offset of the zone (RFC 3339).",
        .signatures =
            FN_SIGNATURES({"(x timestamp, zone string) string", to_zone_kernel, wr_zone_prepare}),
        .examples = FN_EXAMPLES({"to_zone(timestamp'2024-07-01T10:00:00Z', 'Europe/Berlin')",
                                 "'2024-07-01T12:00:00+02:00'"},
                                {"to_zone(timestamp'2024-01-01T00:00:00.25Z', 'UTC')",
                                 "'2024-01-01T00:00:00.250000+00:00'"})),
    {0},
};
