/* json_infer.c: a schema from the head of an NDJSON or JSON file. A column with values of
 * several kinds is json, so that none of them is refused. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/infer.h"
#include "data/json.h"
#include "data/json_split.h"
#include "data/json_text.h"
#include "data/text.h"
#include "base/banned.h"

enum { NUMBER, STRING, BOOL, NESTED, KIND_COUNT };

struct seen_column {
    const char *name;
    uint32_t name_length;
    unsigned seen;
    const char *first[KIND_COUNT]; /* where the sample has the first value of each kind, or NULL */
};

/* Columns in the order of their first appearance. */
struct sample {
    struct wr_arena *arena;
    struct wr_arena scratch;
    struct seen_column *columns;
    uint32_t count, room, next; /* next: where the following key is looked for first */
};

static struct seen_column *column_named(struct sample *sample, const char *name, size_t length) {
    for (uint32_t i = 0; i < sample->count; i++) {
        uint32_t index = (sample->next + i) % sample->count;
        struct seen_column *column = &sample->columns[index];
        if (column->name_length == length && memcmp(column->name, name, length) == 0) {
            sample->next = index + 1;
            return column;
        }
    }
    if (sample->count == WR_COLUMNS_MAX)
        return NULL;
    if (sample->count == sample->room) {
        uint32_t room = sample->room == 0 ? 32 : sample->room * 2;
        struct seen_column *more = WR_ARENA_ZEROS(sample->arena, struct seen_column, room);
        if (more == NULL)
            return NULL;
        if (sample->count > 0)
            memcpy(more, sample->columns, sizeof *more * sample->count);
        sample->columns = more;
        sample->room = room;
    }
    struct seen_column *column = &sample->columns[sample->count];
    column->name = wr_arena_strndup(sample->arena, name, length);
    column->name_length = (uint32_t)length;
    if (column->name == NULL)
        return NULL;
    sample->count++;
    sample->next = 0;
    return column;
}

static int kind_of(unsigned seen) {
    switch (seen) {
    case WR_SEEN_INT64:
    case WR_SEEN_FLOAT64: return NUMBER;
    case WR_SEEN_BOOL: return BOOL;
    case WR_SEEN_JSON: return NESTED;
    default: return STRING;
    }
}

static unsigned value_seen(const char *at, const char *end) {
    int64_t integer;
    switch (*at) {
    case 'n': return 0;
    case 't':
    case 'f': return WR_SEEN_BOOL;
    case '{':
    case '[': return WR_SEEN_JSON;
    case '"': return wr_infer_json_string(at + 1, (size_t)(end - at) - 2);
    default:
        return wr_int64_parse(at, (size_t)(end - at), &integer) ? WR_SEEN_INT64 : WR_SEEN_FLOAT64;
    }
}

/* A record that has been checked: its keys and values. WR_OK or WR_ENOMEM, WR_ELIMIT. */
static int look_at(struct sample *sample, const char *at, const char *end) {
    struct wr_json_scan scan;
    at = wr_json_blanks_end(at + 1, end);
    while (*at != '}') {
        int escaped = 0;
        const char *key = at + (*at == ',');
        key = wr_json_blanks_end(key, end) + 1;
        const char *key_end = wr_json_string_end(&scan, key, end, &escaped);
        size_t length = (size_t)(key_end - key);
        const char *name = key;
        wr_arena_reset(&sample->scratch);
        if (escaped) {
            char *plain = wr_arena_alloc(&sample->scratch, length);
            if (plain == NULL)
                return WR_ENOMEM;
            length = wr_json_unescape(key, key_end, plain);
            name = plain;
        }
        const char *value = wr_json_blanks_end(key_end + 1, end);
        value = wr_json_blanks_end(value + 1, end);
        at = wr_json_value_end(&scan, value, end);
        struct seen_column *column = column_named(sample, name, length);
        if (column == NULL)
            return sample->count == WR_COLUMNS_MAX ? WR_ELIMIT : WR_ENOMEM;
        unsigned seen = value_seen(value, at);
        column->seen |= seen;
        if (seen != 0 && column->first[kind_of(seen)] == NULL)
            column->first[kind_of(seen)] = value;
        at = wr_json_blanks_end(at, end);
    }
    return WR_OK;
}

static uint64_t line_of(const char *bytes, const char *at) {
    uint64_t line = 1;
    for (; (bytes = memchr(bytes, '\n', (size_t)(at - bytes))) != NULL; bytes++)
        line++;
    return line;
}

/* "number (line 1), string (line 7)", in the order of the lines; NULL for values of one kind. */
static int describe_mixed(struct wr_arena *arena, const struct seen_column *column,
                          const char *bytes, const char **text) {
    static const char *const names[] = {"number", "string", "bool", "array"};
    const char *first[KIND_COUNT];
    struct wr_buf buf;
    uint32_t count = 0;
    memcpy(first, column->first, sizeof first);
    wr_buf_init(&buf, &wr_budget_control, 0);
    for (;;) {
        int next = -1;
        for (int kind = 0; kind < KIND_COUNT; kind++)
            if (first[kind] != NULL && (next < 0 || first[kind] < first[next]))
                next = kind;
        if (next < 0)
            break;
        const char *name = names[next];
        if (next == NESTED && *first[next] == '{')
            name = "object";
        wr_buf_addf(&buf, "%s%s (line %llu)", count++ > 0 ? ", " : "", name,
                    (unsigned long long)line_of(bytes, first[next]));
        first[next] = NULL;
    }
    int status = buf.status;
    *text = NULL;
    if (status == WR_OK && count > 1) {
        *text = wr_arena_strndup(arena, (const char *)buf.bytes, buf.length);
        status = *text == NULL ? WR_ENOMEM : WR_OK;
    }
    wr_buf_release(&buf);
    return status;
}

static int schema_make(struct sample *sample, const char *bytes, struct wr_inferred *inferred) {
    struct wr_schema *made = wr_schema_new(sample->arena, sample->count);
    const char **mixed = WR_ARENA_ZEROS(sample->arena, const char *, sample->count + 1);
    if (made == NULL || mixed == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < sample->count; i++) {
        const struct seen_column *column = &sample->columns[i];
        int status = describe_mixed(sample->arena, column, bytes, &mixed[i]);
        if (status != WR_OK)
            return status;
        made->fields[i].name = column->name;
        made->fields[i].name_length = column->name_length;
        made->fields[i].type = WR_TYPE(mixed[i] != NULL ? WR_JSON : wr_infer_kind(column->seen));
        made->fields[i].guess = column->seen == 0 ? WR_GUESS_NOTHING : WR_GUESS_VALUE;
    }
    inferred->schema = made;
    inferred->mixed = mixed;
    return WR_OK;
}

static int is_object(const char *at, const char *end) {
    struct wr_json_scan scan;
    return at < end && *at == '{' && wr_json_check(&scan, at, end);
}

static int infer(struct wr_arena *arena, struct wr_json_split *split, const char *bytes,
                 int complete, struct wr_inferred *inferred, struct wr_error *err) {
    struct sample sample = {.arena = arena};
    struct wr_json_piece piece;
    int status = WR_OK;
    inferred->rows = 0;
    wr_arena_init(&sample.scratch, &wr_budget_control, 1024);
    while (status == WR_OK && wr_json_split_next(split, &piece, complete)) {
        if (piece.fault != NULL || !is_object(piece.at, piece.end))
            continue;
        status = look_at(&sample, piece.at, piece.end);
        inferred->rows++;
    }
    if (status == WR_OK)
        status = schema_make(&sample, bytes, inferred);
    wr_arena_release(&sample.scratch);
    if (status == WR_ELIMIT)
        return wr_error_set(err, status, "more than %d different keys", WR_COLUMNS_MAX);
    if (status != WR_OK)
        return wr_error_set(err, status, "sample: out of memory");
    if (sample.count > 0)
        return WR_OK;
    wr_error_script(err, "W408", "no record is a JSON object: the columns are not known");
    wr_error_help(err, "another format is said by `format = \"csv\"`, behind -e by `--read "
                       "format=csv`; columns by `schema = \"name type, …\"`");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

int wr_ndjson_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                    uint64_t length, int complete, struct wr_inferred *inferred,
                    struct wr_error *err) {
    struct wr_json_split split = {.by_line = 1, .at = bytes, .end = bytes + length};
    (void)options;
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        split.at += 3;
    return infer(arena, &split, bytes, complete, inferred, err);
}

int wr_json_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                  uint64_t length, int complete, struct wr_inferred *inferred,
                  struct wr_error *err) {
    struct wr_json_split split = {.at = bytes, .end = bytes + length};
    (void)options;
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        split.at += 3;
    return infer(arena, &split, bytes, complete, inferred, err);
}
