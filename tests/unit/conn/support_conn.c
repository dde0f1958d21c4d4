/* support_conn.c: see support_conn.h. */
#include "support_conn.h"

#include <ctype.h>
#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn/stdin_head.h"
#include "data/time.h"

void world_begin(struct world *world) {
    memset(world, 0, sizeof *world);
    world->env = wr_env_real();
    world->control_bytes = wr_budget_control.bytes_used;
    world->budget = (struct wr_budget)WR_BUDGET_INIT("input", 512u << 20);
    wr_arena_init(&world->arena, &world->budget, 64u << 10);
    wr_batch_pool_init(&world->pool, &world->budget);
    wr_buf_init(&world->rejects, &world->budget, 0);
    wr_buf_init(&world->shown, &world->budget, 0);
    wr_buf_init(&world->notes, &world->budget, 0);
    snprintf(world->folder, sizeof world->folder, "/tmp/weir-conn-XXXXXX");
    CHECK(mkdtemp(world->folder) != NULL);
}

static void remove_folder(const char *path) {
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char child[512];
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (unlink(child) != 0)
            remove_folder(child);
    }
    closedir(dir);
    rmdir(path);
}

void world_end(struct world *world) {
    remove_folder(world->folder);
    wr_stdin_reset();
    wr_buf_release(&world->rejects);
    wr_buf_release(&world->shown);
    wr_buf_release(&world->notes);
    wr_batch_pool_release(&world->pool);
    wr_arena_release(&world->arena);
    CHECK_INT(world->budget.bytes_used, ==, 0);
    CHECK_INT(wr_budget_control.bytes_used, ==, world->control_bytes);
}

/* ---- files --------------------------------------------------------------------------------- */

static char *keep(struct world *world, const char *text, size_t length) {
    char *copy = wr_arena_strndup(&world->arena, text, length);
    CHECK(copy != NULL);
    return copy;
}

const char *in_folder(struct world *world, const char *name) {
    char path[512];
    int length = snprintf(path, sizeof path, "%s/%s", world->folder, name);
    return keep(world, path, (size_t)length);
}

void put_file(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_INT(fwrite(bytes, 1, length, file), ==, length);
    CHECK_INT(fclose(file), ==, 0);
}

void put_text(const char *path, const char *text) {
    put_file(path, text, strlen(text));
}

const char *file_text(struct world *world, const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = wr_arena_alloc(&world->arena, size + 1);
    CHECK(bytes != NULL);
    CHECK_INT(fread(bytes, 1, size, file), ==, size);
    bytes[size] = 0;
    fclose(file);
    if (length != NULL)
        *length = size;
    return bytes;
}

int file_count(struct world *world) {
    DIR *dir = opendir(world->folder);
    CHECK(dir != NULL);
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

/* ---- plain data ---------------------------------------------------------------------------- */

static const char *blanks(const char *at) {
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

static const char *parse(struct world *world, const char *at, struct wr_value *value);

static const char *parse_items(struct world *world, const char *at, char close, int named,
                               struct wr_value *value) {
    struct wr_value items[256];
    const char *names[256];
    uint32_t count = 0;
    at = blanks(at);
    while (*at != close) {
        CHECK_INT(count, <, 256);
        if (named) {
            struct wr_value name;
            at = blanks(parse(world, at, &name));
            names[count] = name.string;
            CHECK_INT(*at, ==, ':');
            at = blanks(at + 1);
        }
        at = blanks(parse(world, at, &items[count++]));
        if (*at == ',')
            at = blanks(at + 1);
    }
    struct wr_value *made =
        named ? wr_value_new_map(&world->arena, count) : wr_value_new_list(&world->arena, count);
    CHECK(made != NULL);
    for (uint32_t i = 0; i < count; i++) {
        made->items[i] = items[i];
        if (named)
            made->names[i] = names[i];
    }
    if (named)
        wr_value_sort(made);
    *value = *made;
    return at + 1;
}

static const char *parse_text(struct world *world, const char *at, struct wr_value *value) {
    char text[8192];
    size_t length = 0;
    for (; *at != '"'; at++) {
        CHECK(*at != 0);
        if (*at == '\\') {
            at++;
            text[length++] = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
        } else {
            text[length++] = *at;
        }
    }
    struct wr_value *made = wr_value_new_string(&world->arena, text, length);
    CHECK(made != NULL);
    *value = *made;
    return at + 1;
}

static const char *parse(struct world *world, const char *at, struct wr_value *value) {
    memset(value, 0, sizeof *value);
    if (*at == '{')
        return parse_items(world, at + 1, '}', 1, value);
    if (*at == '[')
        return parse_items(world, at + 1, ']', 0, value);
    if (*at == '"')
        return parse_text(world, at + 1, value);
    if (strncmp(at, "null", 4) == 0)
        return at + 4;
    if (strncmp(at, "true", 4) == 0 || strncmp(at, "false", 5) == 0) {
        value->kind = WR_VALUE_BOOL;
        value->boolean = *at == 't';
        return at + (*at == 't' ? 4 : 5);
    }
    char *end;
    value->kind = WR_VALUE_INT;
    value->integer = strtoll(at, &end, 10);
    if (*end == '.' || *end == 'e') {
        value->kind = WR_VALUE_FLOAT;
        value->number = strtod(at, &end);
    }
    CHECK(end != at);
    return end;
}

struct wr_value *value_of_json(struct world *world, const char *format, ...) {
    char text[16384];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK_INT(length, <, (int)sizeof text);
    for (char *at = text; *at != 0; at++)
        if (*at == '\'')
            *at = '"';
    struct wr_value *value = wr_arena_alloc_zero(&world->arena, sizeof *value);
    CHECK(value != NULL);
    const char *end = blanks(parse(world, blanks(text), value));
    CHECK_STR(end, "");
    return value;
}

const struct wr_schema *schema_of(struct world *world, const char *text) {
    char json[4096] = "[";
    size_t length = 1;
    while (*text != 0) {
        text = blanks(text);
        size_t name = strcspn(text, " ");
        const char *type = text + name + 1;
        size_t type_length = strcspn(type, ",");
        unsigned precision = 0, scale = 0;
        char kind[64];
        snprintf(kind, sizeof kind, "%.*s", (int)type_length, type);
        if (sscanf(kind, "decimal(%u.%u)", &precision, &scale) == 2)
            snprintf(kind, sizeof kind, "decimal");
        length += (size_t)snprintf(json + length, sizeof json - length,
                                   "{'name':'%.*s','type':{'kind':'%s','precision':%u,"
                                   "'scale':%u}},",
                                   (int)name, text, kind, precision, scale);
        text = type + type_length;
        if (*text == ',')
            text++;
    }
    snprintf(json + length, sizeof json - length, "]");
    const struct wr_schema *schema = NULL;
    struct wr_error err = {0};
    int status =
        wr_schema_from_value(&schema, &world->arena, value_of_json(world, "%s", json), &err);
    if (status != WR_OK)
        test_fail(__FILE__, __LINE__, "schema: %s", err.text);
    return schema;
}

/* ---- sources ------------------------------------------------------------------------------- */

int take_reject(void *ctx, const struct wr_reject *reject) {
    struct world *world = ctx;
    wr_buf_addf(&world->rejects, "W%d", reject->code);
    if (reject->line > 0)
        wr_buf_addf(&world->rejects, " line %llu", (unsigned long long)reject->line);
    wr_buf_addf(&world->rejects, " record %llu", (unsigned long long)reject->record);
    CHECK(reject->reason == NULL); /* so that rejects are grouped by it */
    if (reject->detail != NULL)
        wr_buf_addf(&world->rejects, ": %s", reject->detail);
    if (reject->raw != NULL)
        wr_buf_addf(&world->rejects, " [%.*s]", (int)reject->raw_length, reject->raw);
    return wr_buf_add_char(&world->rejects, '\n');
}

static void take_note(void *ctx, const char *file, const char *text) {
    struct world *world = ctx;
    (void)file;
    wr_buf_addf(&world->notes, "%s\n", text);
}

int bind_source(struct world *world, const struct wr_source_type *type, struct wr_value *spec,
                struct wr_endpoint_bind *bind) {
    memset(&world->err, 0, sizeof world->err);
    *bind = (struct wr_endpoint_bind){.arena = &world->arena,
                                      .env = world->env,
                                      .spec = spec,
                                      .directory = world->folder,
                                      .timezone = "UTC",
                                      .may_sample = 1};
    return type->bind(bind, &world->err);
}

struct wr_source *open_source(struct world *world, const struct wr_source_type *type,
                              const struct wr_endpoint_bind *bind, uint32_t batch_rows,
                              struct wr_reader *from) {
    struct wr_source *source = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    CHECK(source != NULL);
    *source = (struct wr_source){.type = type,
                                 .config = bind->config,
                                 .schema = bind->schema,
                                 .env = world->env,
                                 .pool = &world->pool,
                                 .input_budget = &world->budget,
                                 .batch_rows = batch_rows,
                                 .record_limit = world->record_limit,
                                 .keep_text = 1,
                                 .reject = take_reject,
                                 .reject_ctx = world,
                                 .note = take_note,
                                 .name = bind->name};
    if (type->open(source, from, &world->err) != WR_OK) {
        wr_free(&wr_budget_control, source);
        return NULL;
    }
    struct wr_workers *workers = NULL;
    if (world->threads > 0) {
        CHECK_INT(wr_workers_new(&workers, &wr_budget_control, world->threads), ==, WR_OK);
        CHECK_INT(type->use_workers(source, workers), ==, WR_OK);
    }
    source->owner = workers;
    return source;
}

void close_source(struct wr_source *source) {
    wr_workers_free(source->owner);
    source->type->close(source);
    wr_free(&wr_budget_control, source);
}

static void show_rows(const struct wr_batch *batch, struct wr_buf *out) {
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        for (uint32_t c = 0; c < batch->schema->field_count; c++) {
            if (c > 0)
                wr_buf_add_char(out, ',');
            if (batch->columns[c].data == NULL || wr_column_is_nil(&batch->columns[c], row))
                wr_buf_add_text(out, "nil");
            else
                wr_value_show(out, &batch->schema->fields[c].type, &batch->columns[c], row);
        }
        wr_buf_add_char(out, '\n');
    }
}

int read_source(struct world *world, struct wr_source *source, uint32_t batch_max,
                struct wr_buf *out) {
    for (uint32_t i = 0; batch_max == 0 || i < batch_max; i++) {
        struct wr_batch *batch = NULL;
        int status = source->type->poll(source, &batch, &world->err);
        if (status != WR_OK)
            return status;
        CHECK(batch != NULL);
        CHECK_INT(batch->sel_count, >, 0);
        CHECK_INT(batch->sel_count, <=, source->batch_rows);
        show_rows(batch, out);
        wr_batch_unref(batch);
    }
    return WR_OK;
}

const char *error_text(struct world *world) {
    char text[2048];
    int length = snprintf(text, sizeof text, "%s%s%s%s%s", world->err.code,
                          world->err.code[0] == 0 ? "" : " ", world->err.text,
                          world->err.help[0] == 0 ? "" : " | ", world->err.help);
    return keep(world, text, (size_t)length);
}

const char *all_rows(struct world *world, const struct wr_source_type *type, struct wr_value *spec,
                     uint32_t batch_rows) {
    struct wr_endpoint_bind bind;
    if (bind_source(world, type, spec, &bind) != WR_OK)
        return error_text(world);
    struct wr_source *source = open_source(world, type, &bind, batch_rows, NULL);
    if (source == NULL)
        return error_text(world);
    struct wr_buf out;
    wr_buf_init(&out, &world->budget, 0);
    int status = read_source(world, source, 0, &out);
    if (status != WR_EEND)
        wr_buf_addf(&out, "error: %s", error_text(world));
    close_source(source);
    const char *text = keep(world, out.length == 0 ? "" : out.bytes, out.length);
    wr_buf_release(&out);
    return text;
}

/* ---- sinks --------------------------------------------------------------------------------- */

struct wr_batch *batch_of(struct world *world, const struct wr_schema *schema, const char *csv) {
    struct wr_buf text;
    wr_buf_init(&text, &world->budget, 0);
    int64_t weight[256];
    uint32_t row_count = 0;
    int updates = csv[0] == '+' || (csv[0] == '-' && !isdigit((unsigned char)csv[1]));
    for (const char *at = csv; *at != 0;) {
        size_t line = strcspn(at, "\n");
        if (updates) {
            CHECK(*at == '+' || *at == '-');
            weight[row_count] = *at == '+' ? 1 : -1;
            at++;
            line--;
        }
        row_count++;
        wr_buf_add(&text, at, line);
        wr_buf_add_char(&text, '\n');
        at += line;
        at += *at == '\n';
    }
    const struct wr_decoder_type *type = wr_decoder_find("csv");
    struct wr_decoder *decoder = wr_alloc_zero(&world->budget, type->size_bytes);
    struct wr_buffer *buffer = wr_buffer_new(&world->budget, text.length + 64);
    CHECK(decoder != NULL && buffer != NULL);
    memcpy(buffer->bytes, text.bytes, text.length);
    decoder->type = type;
    decoder->setup = (struct wr_decoder_setup){.schema = schema,
                                               .options = value_of_json(world, "{'header':false}"),
                                               .batch_rows = 4096,
                                               .pool = &world->pool,
                                               .reject = take_reject,
                                               .reject_ctx = world,
                                               .timezone = "UTC"};
    CHECK_INT(type->open(decoder, &world->err), ==, WR_OK);
    CHECK_INT(type->begin_file(decoder, "test", &world->err), ==, WR_OK);
    uint64_t used = 0;
    struct wr_batch *batch = NULL;
    CHECK_INT(
        type->decode(decoder, buffer, buffer->bytes, text.length, 1, &used, &batch, &world->err),
        ==, WR_OK);
    CHECK(batch != NULL);
    if (batch->row_count != row_count)
        test_fail(__FILE__, __LINE__, "a row of the test is no row: %s", world->rejects.bytes);
    if (updates) {
        int64_t *weights = wr_arena_alloc(&batch->arena, row_count * sizeof *weights);
        CHECK(weights != NULL);
        memcpy(weights, weight, row_count * sizeof *weights);
        batch->weight = weights;
    }
    type->close(decoder);
    wr_free(&world->budget, decoder);
    wr_buffer_unref(buffer);
    wr_buf_release(&text);
    return batch;
}

int show_in_world(void *ctx, const char *bytes, uint64_t length) {
    struct world *world = ctx;
    return wr_buf_add(&world->shown, bytes, length);
}

int bind_sink(struct world *world, const struct wr_sink_type *type, struct wr_value *spec,
              const struct wr_schema *schema, const char *key, struct wr_endpoint_bind *bind) {
    memset(&world->err, 0, sizeof world->err);
    static uint16_t columns[16];
    uint32_t count = 0;
    for (const char *at = key == NULL ? "" : key; *at != 0;) {
        size_t length = strcspn(at, " ,");
        int column = wr_schema_find(schema, at, (uint32_t)length);
        CHECK_INT(column, >=, 0);
        uint16_t *copy = wr_arena_alloc(&world->arena, 16 * sizeof *copy);
        CHECK(copy != NULL);
        memcpy(copy, columns, sizeof columns);
        columns[count++] = (uint16_t)column;
        at += length + strspn(at + length, " ,");
    }
    uint16_t *copy = wr_arena_alloc(&world->arena, sizeof columns);
    CHECK(copy != NULL);
    memcpy(copy, columns, sizeof columns);
    *bind = (struct wr_endpoint_bind){.arena = &world->arena,
                                      .env = world->env,
                                      .spec = spec,
                                      .directory = world->folder,
                                      .timezone = "UTC",
                                      .input = schema,
                                      .key = copy,
                                      .key_count = count,
                                      .bounded_input = 1};
    return type->bind(bind, &world->err);
}

static void take_warning(void *ctx, const char *code, const char *text) {
    wr_buf_addf(&((struct world *)ctx)->notes, "%s %s\n", code, text);
}

struct wr_sink *open_sink(struct world *world, const struct wr_sink_type *type,
                          const struct wr_endpoint_bind *bind, struct wr_reader *from) {
    struct wr_sink *sink = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    CHECK(sink != NULL);
    *sink = (struct wr_sink){.type = type,
                             .config = bind->config,
                             .schema = bind->input,
                             .env = world->env,
                             .budget = &world->budget,
                             .reject = take_reject,
                             .reject_ctx = world,
                             .name = bind->name,
                             .show = show_in_world,
                             .show_ctx = world,
                             .store = world->store,
                             .saves_all = 1,
                             .is_complete = (uint8_t)world->is_complete,
                             .goes_further = (uint8_t)world->gets_more,
                             .gets_more = (uint8_t)world->gets_more,
                             .note = take_note,
                             .note_ctx = world,
                             .warn = take_warning,
                             .warn_ctx = world};
    if (type->open(sink, from, &world->err) == WR_OK)
        return sink;
    wr_free(&wr_budget_control, sink);
    return NULL;
}

void close_sink(struct wr_sink *sink) {
    sink->type->close(sink);
    wr_free(&wr_budget_control, sink);
}

int write_epoch(struct world *world, struct wr_sink *sink, uint64_t epoch, struct wr_batch *batch) {
    const struct wr_sink_type *type = sink->type;
    int status = type->begin == NULL ? WR_OK : type->begin(sink, epoch, &world->err);
    if (status == WR_OK && batch != NULL)
        status = type->write(sink, batch, &world->err);
    wr_batch_unref(batch);
    if (status == WR_OK && type->prepare != NULL)
        status = type->prepare(sink, epoch, &world->err);
    if (status == WR_OK && type->commit != NULL)
        status = type->commit(sink, epoch, &world->err);
    return status;
}

int write_all(struct world *world, const struct wr_sink_type *type, struct wr_value *spec,
              const struct wr_schema *schema, const char *key, const char *csv) {
    struct wr_endpoint_bind bind;
    int status = bind_sink(world, type, spec, schema, key, &bind);
    if (status != WR_OK)
        return status;
    struct wr_sink *sink = open_sink(world, type, &bind, NULL);
    if (sink == NULL)
        return world->err.status;
    status = write_epoch(world, sink, 1, csv == NULL ? NULL : batch_of(world, schema, csv));
    if (status == WR_OK)
        status = type->finish(sink, &world->err);
    close_sink(sink);
    return status;
}

const char *query(struct world *world, const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *rows;
    struct wr_buf out;
    wr_buf_init(&out, &world->budget, 0);
    CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), ==, SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK)
        wr_buf_addf(&out, "error: %s", sqlite3_errmsg(db));
    while (rows != NULL && sqlite3_step(rows) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(rows); c++) {
            const char *text = (const char *)sqlite3_column_text(rows, c);
            wr_buf_addf(&out, "%s%s", c == 0 ? "" : "|", text == NULL ? "null" : text);
        }
        wr_buf_add_char(&out, '\n');
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    const char *text = keep(world, out.length == 0 ? "" : out.bytes, out.length);
    wr_buf_release(&out);
    return text;
}

void run_sql(const char *path, const char *sql) {
    sqlite3 *db;
    CHECK_INT(sqlite3_open(path, &db), ==, SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

struct wr_value *sqlite_spec(struct world *w, const char *path, const char *more) {
    return value_of_json(w,
                         "{'endpoint':{'kind':'sqlite','address':'%s','options':{'table':'t'}}"
                         "%s%s}",
                         path, more[0] == 0 ? "" : ",", more);
}

int sqlite_put(struct world *w, const char *path, const char *more, const char *key,
               const char *csv) {
    return write_all(w, &wr_sink_sqlite, sqlite_spec(w, path, more), schema_of(w, TABLE_SCHEMA),
                     key, csv);
}
