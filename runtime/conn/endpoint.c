/* endpoint.c: options, formats and addresses of endpoints. See endpoint.h. */
#include "conn/endpoint.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "data/codec.h"
#include "data/time.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 64 /* longer names are not compared for their distance */

const char *const wr_options_of_read[] = {"schema", "format", "on_error", "timezone", "start",
                                          "stop",   "follow", "wait",     "replay",   "name",
                                          "key",    "check",  NULL};
const char *const wr_options_of_write[] = {"format",       "key",   "mode",   "table", "name",
                                           "partition_by", "audit", "schema", NULL};

/* ---- names that are near ------------------------------------------------------------------- */

uint32_t wr_name_distance(const char *a, const char *b, uint32_t max) {
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > NAME_BYTES_MAX || b_length > NAME_BYTES_MAX)
        return max + 1;
    uint32_t rows[3][NAME_BYTES_MAX + 1];
    for (uint32_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    uint32_t *before = rows[2], *last = rows[0], *row = rows[1];
    for (uint32_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            uint32_t best = WR_MIN(last[j], row[j - 1]) + 1;
            best = WR_MIN(best, last[j - 1] + (same ? 0u : 1u));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = WR_MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        uint32_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return WR_MIN(last[b_length], max + 1);
}

void wr_name_nearer(const char *wanted, const char *name, const char **best, uint32_t *distance) {
    uint32_t max = (uint32_t)WR_MIN(strlen(wanted) / 3 + 1, (size_t)WR_NAME_FAR - 1);
    uint32_t d = wr_name_distance(wanted, name, max);
    if (d <= max && d < *distance) {
        *distance = d;
        *best = name;
    }
}

/* ---- options ------------------------------------------------------------------------------- */

/* `scheme://user:password@host` and `user:password@host`, as networks write them. */
static int has_password(const char *address) {
    const char *from = strstr(address, "://");
    from = from == NULL ? address : from + 3;
    const char *at = strchr(from, '@');
    if (at == NULL)
        return 0;
    const char *colon = memchr(from, ':', (size_t)(at - from));
    const char *slash = memchr(from, '/', (size_t)(at - from));
    return colon != NULL && slash == NULL && colon > from && at > colon + 1;
}

int wr_options_read(struct wr_options *options, const struct wr_endpoint_bind *bind,
                    struct wr_error *err) {
    const struct wr_value *endpoint = wr_value_get(bind->spec, "endpoint");
    options->spec = bind->spec;
    options->stage = wr_value_get(bind->spec, "options");
    options->endpoint = wr_value_get(endpoint, "options");
    options->format = wr_value_get(wr_value_get(bind->spec, "format"), "options");
    const char *address = wr_value_string(endpoint, "address", "");
    if (!has_password(address))
        return WR_OK;
    wr_error_script(err, "W405", "password in a URL");
    wr_error_help(err, "give it as an option: `password = weir.secret \"name\"`");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

const struct wr_value *wr_option(const struct wr_options *options, const char *name) {
    const struct wr_value *value = wr_value_get(options->spec, name);
    if (value == NULL)
        value = wr_value_get(options->stage, name);
    if (value == NULL)
        value = wr_value_get(options->endpoint, name);
    if (value == NULL)
        value = wr_value_get(options->format, name);
    return value;
}

static const char *kind_text(const struct wr_value *value) {
    switch (value->kind) {
    case WR_VALUE_NIL: return "nil";
    case WR_VALUE_BOOL: return value->boolean ? "true" : "false";
    case WR_VALUE_INT: return "an int64";
    case WR_VALUE_FLOAT: return "a float64";
    case WR_VALUE_STRING: return "a string";
    case WR_VALUE_LIST: return "a list";
    case WR_VALUE_MAP: return "a table";
    }
    return "something else";
}

static int wrong_option(const char *name, const struct wr_value *value, const char *wanted,
                        struct wr_error *err) {
    if (value->kind == WR_VALUE_STRING)
        wr_error_script(err, "W203", "option `%s` must be %s, got '%.64s'", name, wanted,
                        value->string);
    else if (value->kind == WR_VALUE_INT)
        wr_error_script(err, "W203", "option `%s` must be %s, got %lld", name, wanted,
                        (long long)value->integer);
    else
        wr_error_script(err, "W203", "option `%s` must be %s, got %s", name, wanted,
                        kind_text(value));
    wr_error_at(err, name, 0, 0);
    return WR_ESCRIPT;
}

int wr_option_text(const struct wr_options *options, const char *name, const char **text,
                   struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    if (value->kind != WR_VALUE_STRING || strlen(value->string) != value->count)
        return wrong_option(name, value, "a text", err);
    *text = value->string;
    return WR_OK;
}

/* "4MB", "64kB", "1GiB", "512": bytes. 1 when the text is such a size. */
static int parse_size(const char *text, uint64_t *bytes) {
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return 0;
    if (at == text)
        return 0;
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0},    {"B", 0},    {"kB", 10}, {"KB", 10},  {"KiB", 10},
                 {"MB", 20}, {"MiB", 20}, {"GB", 30}, {"GiB", 30}, {0}};
    for (unsigned i = 0; units[i].name != NULL; i++)
        if (strcmp(at, units[i].name) == 0 && number <= UINT64_MAX >> units[i].shift) {
            *bytes = number << units[i].shift;
            return 1;
        }
    return 0;
}

int wr_option_count(const struct wr_options *options, const char *name, uint64_t low,
                    uint64_t *count, struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    uint64_t number = 0;
    int good = 0;
    if (value->kind == WR_VALUE_INT && value->integer >= 0) {
        number = (uint64_t)value->integer;
        good = 1;
    } else if (value->kind == WR_VALUE_STRING) {
        good = parse_size(value->string, &number);
    }
    if (!good || number < low) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "a whole number of at least %llu", (unsigned long long)low);
        return wrong_option(name, value, wanted, err);
    }
    *count = number;
    return WR_OK;
}

int wr_option_duration(const struct wr_options *options, const char *name, uint64_t *duration_us,
                       struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    int64_t us = -1;
    if (value->kind == WR_VALUE_INT)
        us = value->integer;
    else if (value->kind != WR_VALUE_STRING || !wr_duration_parse(value->string, value->count, &us))
        us = -1;
    if (us < 0)
        return wrong_option(name, value, "a duration like \"30s\"", err);
    *duration_us = (uint64_t)us;
    return WR_OK;
}

int wr_option_word(const struct wr_options *options, const char *name, const char *const *words,
                   int *index, struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    char wanted[256];
    size_t length = 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (value->kind == WR_VALUE_STRING && strcmp(value->string, words[i]) == 0) {
            *index = i;
            return WR_OK;
        }
        int more = snprintf(wanted + length, sizeof wanted - length, "%s\"%s\"",
                            i == 0                 ? ""
                            : words[i + 1] == NULL ? " or "
                                                   : ", ",
                            words[i]);
        length = WR_MIN(length + (size_t)more, sizeof wanted - 1);
    }
    return wrong_option(name, value, wanted, err);
}

int wr_option_bool(const struct wr_options *options, const char *name, int *result,
                   struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    if (value->kind != WR_VALUE_BOOL)
        return wrong_option(name, value, "true or false", err);
    *result = value->boolean;
    return WR_OK;
}

int wr_option_wrong(const char *name, const char *text, struct wr_error *err) {
    wr_error_script(err, "W203", "%s", text);
    wr_error_at(err, name, 0, 0);
    return WR_ESCRIPT;
}

int wr_options_refuse(const struct wr_options *options, const char *const *names,
                      struct wr_error *err) {
    for (; *names != NULL; names++) {
        const struct wr_value *value = wr_option(options, *names);
        if (value == NULL || (value->kind == WR_VALUE_BOOL && !value->boolean))
            continue;
        wr_error_script(err, "W203", "option `%s` is not in this version for this endpoint",
                        *names);
        wr_error_at(err, *names, 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int is_listed(const char *const *names, const char *name) {
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return 1;
    return 0;
}

int wr_options_rest(const struct wr_options *options, struct wr_arena *arena,
                    const char *const *own, const char *const *more, const struct wr_value **rest,
                    struct wr_error *err) {
    const struct wr_value *places[] = {options->stage, options->endpoint, options->format};
    uint32_t count = 0;
    for (unsigned p = 0; p < WR_COUNT(places); p++)
        count += wr_value_count(places[p]);
    struct wr_value *map = wr_value_new_map(arena, count);
    if (map == NULL)
        return wr_error_set(err, WR_ENOMEM, "options: out of memory");
    count = 0;
    for (unsigned p = 0; p < WR_COUNT(places); p++) {
        const struct wr_value *place = places[p];
        if (place == NULL || place->kind != WR_VALUE_MAP)
            continue;
        for (uint32_t i = 0; i < place->count; i++) {
            const char *name = place->names[i];
            int seen = 0;
            for (uint32_t k = 0; k < count && !seen; k++)
                seen = strcmp(map->names[k], name) == 0;
            if (seen || is_listed(own, name) || is_listed(more, name))
                continue;
            map->names[count] = name;
            map->items[count++] = place->items[i];
        }
    }
    map->count = count;
    wr_value_sort(map);
    *rest = map;
    return WR_OK;
}

int wr_options_check(const struct wr_options *options, const char *what, const char *const *own,
                     const char *const *more, struct wr_error *err) {
    const struct wr_value *places[] = {options->stage, options->endpoint, options->format};
    for (unsigned p = 0; p < WR_COUNT(places); p++) {
        const struct wr_value *place = places[p];
        if (place == NULL || place->kind != WR_VALUE_MAP)
            continue;
        for (uint32_t i = 0; i < place->count; i++) {
            const char *name = place->names[i], *best = NULL;
            if (is_listed(own, name) || is_listed(more, name))
                continue;
            uint32_t distance = WR_NAME_FAR;
            for (unsigned k = 0; own[k] != NULL; k++)
                wr_name_nearer(name, own[k], &best, &distance);
            for (unsigned k = 0; more != NULL && more[k] != NULL; k++)
                wr_name_nearer(name, more[k], &best, &distance);
            wr_error_script(err, "W202", "unknown option `%s` of `%s`", name, what);
            if (best != NULL)
                wr_error_help(err, "did you mean `%s`?", best);
            wr_error_at(err, name, 0, 0);
            return WR_ESCRIPT;
        }
    }
    return WR_OK;
}

/* ---- formats ------------------------------------------------------------------------------- */

static int ends_with(const char *name, size_t length, const char *end) {
    size_t end_length = strlen(end);
    return length > end_length && strncasecmp(name + length - end_length, end, end_length) == 0;
}

const char *wr_format_of_name(const char *name, enum wr_compression *compression) {
    static const struct {
        const char *end, *format;
    } formats[] = {{".csv", "csv"},       {".tsv", "tsv"},      {".tab", "tsv"},
                   {".ndjson", "ndjson"}, {".jsonl", "ndjson"}, {".json", "json"},
                   {".txt", "lines"},     {".log", "lines"},    {".md", "md"}};
    size_t length = strlen(name);
    *compression = WR_COMPRESSION_NONE;
    if (ends_with(name, length, ".gz")) {
        *compression = WR_COMPRESSION_GZIP;
        length -= 3;
    } else if (ends_with(name, length, ".zst")) {
        *compression = WR_COMPRESSION_ZSTD;
        length -= 4;
    }
    for (unsigned i = 0; i < WR_COUNT(formats); i++)
        if (ends_with(name, length, formats[i].end))
            return formats[i].format;
    return NULL;
}

int wr_format_choose(const struct wr_endpoint_bind *bind, const char *file, const char *otherwise,
                     const char **format, struct wr_error *err) {
    const struct wr_value *given = wr_value_get(bind->spec, "format");
    enum wr_compression ignored;
    if (given != NULL && given->kind == WR_VALUE_STRING)
        *format = given->string;
    else if (given != NULL)
        *format = wr_value_string(given, "name", NULL);
    else
        *format = wr_format_of_name(file, &ignored);
    if (*format == NULL)
        *format = otherwise;
    if (*format != NULL)
        return WR_OK;
    wr_error_script(err, "W402", "the format of `%s` is not known by its name", file);
    wr_error_help(err, "say it: `format = \"csv\"` (csv tsv ndjson json lines)");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

static int unknown_format(const char *format, const char *const *known, struct wr_error *err) {
    const char *best = NULL;
    uint32_t distance = WR_NAME_FAR;
    char names[128] = "";
    size_t length = 0;
    for (; *known != NULL; known++) {
        wr_name_nearer(format, *known, &best, &distance);
        int more = snprintf(names + length, sizeof names - length, " %s", *known);
        length = WR_MIN(length + (size_t)more, sizeof names - 1);
    }
    wr_error_script(err, "W402", "unknown format `%s`", format);
    if (best != NULL)
        wr_error_help(err, "did you mean `%s`?  formats:%s", best, names);
    else
        wr_error_help(err, "formats:%s", names);
    wr_error_at(err, "format", 0, 0);
    return WR_ESCRIPT;
}

int wr_decoder_choose(const char *format, const struct wr_decoder_type **type,
                      struct wr_error *err) {
    static const char *const known[] = {"csv", "tsv", "ndjson", "json", "lines", NULL};
    *type = wr_decoder_find(format);
    return *type != NULL ? WR_OK : unknown_format(format, known, err);
}

int wr_encoder_choose(const char *format, const struct wr_encoder_type **type,
                      struct wr_error *err) {
    static const char *const known[] = {"csv", "tsv", "ndjson", "json", "md", "table", NULL};
    *type = wr_encoder_find(format);
    return *type != NULL ? WR_OK : unknown_format(format, known, err);
}

int wr_encoder_check(struct wr_endpoint_bind *bind, const struct wr_encoder_type *type,
                     const struct wr_value *options, struct wr_error *err) {
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (encoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "encoder %s: out of memory", type->name);
    encoder->type = type;
    encoder->schema = bind->input;
    encoder->options = options;
    int status = type->open == NULL ? WR_OK : type->open(encoder, err);
    if (status == WR_OK && type->close != NULL)
        type->close(encoder);
    wr_free(&wr_budget_control, encoder);
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------ */

int wr_endpoint_schema(const struct wr_endpoint_bind *bind, const struct wr_schema **schema,
                       struct wr_error *err) {
    const struct wr_value *given = wr_value_get(bind->spec, "schema");
    *schema = NULL;
    if (given == NULL)
        return WR_OK;
    int status = wr_schema_from_value(schema, bind->arena, given, err);
    if (status != WR_OK)
        wr_error_at(err, "schema", 0, 0);
    return status;
}

const char *wr_endpoint_textf(struct wr_arena *arena, const char *format, ...) {
    char text[WR_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return wr_arena_strndup(arena, text, WR_MIN((size_t)length, sizeof text - 1));
}

/* ---- standard output ----------------------------------------------------------------------- */

int wr_show(struct wr_sink *sink, const char *bytes, uint64_t length, int *no_more,
            struct wr_error *err) {
    if (length == 0 || *no_more || sink->show == NULL)
        return WR_OK;
    errno = 0;
    int status = sink->show(sink->show_ctx, bytes, length);
    if (status == WR_OK)
        return WR_OK;
    *no_more = status == WR_EIO && errno == EPIPE;
    if (*no_more)
        return WR_OK;
    if (status == WR_EIO && errno != 0)
        return wr_env_fail(err, "write", "stdout", errno);
    return wr_error_set(err, status, "write stdout: %s", wr_status_text(status));
}

static int range_end(const struct wr_options *options, const char *name, uint64_t low,
                     uint64_t *row, int64_t *time_us, uint8_t *has_time, struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    const struct wr_value *time = value == NULL ? NULL : wr_value_get(value, "time");
    const struct wr_value *number = value == NULL ? NULL : wr_value_get(value, "row");
    if (value == NULL)
        return WR_OK;
    if (time != NULL && time->kind == WR_VALUE_INT) {
        *time_us = time->integer;
        *has_time = 1;
        return WR_OK;
    }
    if (number == NULL || number->kind != WR_VALUE_INT || number->integer < (int64_t)low)
        return wrong_option(name, value, "a number of rows or a timestamp", err);
    *row = (uint64_t)number->integer;
    return WR_OK;
}

int wr_endpoint_range(const struct wr_endpoint_bind *bind, struct wr_range *range,
                      struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    if (status == WR_OK)
        status =
            range_end(&options, "start", 0, &range->first, &range->from_us, &range->has_from, err);
    if (status == WR_OK)
        status = range_end(&options, "stop", 1, &range->end, &range->to_us, &range->has_to, err);
    if (status != WR_OK)
        return status;
    int is_empty = (range->end > 0 && range->end <= range->first) ||
                   (range->has_from && range->has_to && range->to_us <= range->from_us);
    if (is_empty) {
        wr_error_script(err, "W203", "option `stop` must be behind `start`");
        wr_error_at(err, "stop", 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}
