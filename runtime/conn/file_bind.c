/* file_bind.c: binding of a file source: its files, its format, its schema. See file_source.h. */
#include "conn/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/input.h"

#include "base/banned.h"

/* ---- finding files ------------------------------------------------------------------------- */

struct found {
    struct wr_arena *arena;
    const char **files;
    uint32_t count, room;
    int status;
};

static int collect(void *ctx, const char *path) {
    struct found *found = ctx;
    if (found->count == found->room) {
        uint32_t room = found->room == 0 ? 16 : found->room * 2;
        const char **files = WR_ARENA_ARRAY(found->arena, const char *, room);
        if (files == NULL) {
            found->status = WR_ENOMEM;
            return 1;
        }
        if (found->count > 0)
            memcpy(files, found->files, found->count * sizeof *files);
        found->files = files;
        found->room = room;
    }
    if (found->count == WR_FILES_MAX) {
        found->status = WR_ELIMIT;
        return 1;
    }
    found->files[found->count] = wr_arena_strndup(found->arena, path, strlen(path));
    if (found->files[found->count++] == NULL)
        found->status = WR_ENOMEM;
    return found->status != WR_OK;
}

struct nearest {
    const char *wanted; /* the last part of the path */
    char best[256];
    uint32_t distance, count;
    int is_link; /* the wanted name is there all the same */
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int compare_name(void *ctx, const char *path) {
    struct nearest *nearest = ctx;
    const char *best = NULL;
    if (strcmp(nearest->wanted, base_name(path)) == 0) { /* there, but leads to nothing */
        nearest->is_link = 1;
        return 0;
    }
    wr_name_nearer(nearest->wanted, base_name(path), &best, &nearest->distance);
    if (best != NULL && strlen(path) < sizeof nearest->best)
        memcpy(nearest->best, path, strlen(path) + 1);
    return ++nearest->count >= WR_FILES_MAX;
}

static int not_found(const struct wr_env *env, const char *address, int is_glob,
                     struct wr_error *err) {
    struct wr_file_info info;
    if (is_glob)
        wr_error_set(err, WR_ENOINPUT, "no file matches `%s`", address);
    else if (env->stat(env, address, &info) == WR_OK)
        wr_error_set(err, WR_ENOINPUT, "there is no file in `%s`", address);
    else
        wr_error_set(err, WR_ENOINPUT, "no such file: `%s`", address);
    wr_error_at(err, "1", 0, 0);
    struct nearest nearest = {.wanted = base_name(address), .distance = WR_NAME_FAR};
    char pattern[1024];
    size_t length = (size_t)(nearest.wanted - address);
    if (length + 2 > sizeof pattern)
        return WR_ENOINPUT;
    memcpy(pattern, address, length);
    memcpy(pattern + length, "*", 2);
    env->glob(env, pattern, compare_name, &nearest, NULL);
    if (nearest.is_link)
        wr_error_help(err, "it is a link to a file that is not there");
    else if (nearest.best[0] != 0)
        wr_error_help(err, "did you mean `%s`?", nearest.best);
    else if (nearest.count == 0 && length > 0)
        wr_error_help(err, "there is nothing in `%.*s`; paths start at the working directory",
                      (int)length, address);
    else
        wr_error_help(err, "paths start at the working directory");
    return WR_ENOINPUT;
}

static int is_directory(const char *address, struct wr_error *err) {
    wr_error_script(err, "W401", "`%s` is a directory", address);
    wr_error_help(err, "`%s/` is all of its files; `%s/*.csv` those of one kind", address, address);
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

struct listing {
    const struct wr_env *env;
    struct found *found;
};

/* A file of a directory that was named as a whole. */
static int collect_whole(void *ctx, const char *path) {
    struct listing *listing = ctx;
    struct wr_file_info info;
    if (follow_is_half_written(path) || listing->env->stat(listing->env, path, &info) != WR_OK ||
        !info.is_regular)
        return 0;
    return collect(listing->found, path);
}

static int find_in(const struct wr_env *env, const char *address, struct found *found,
                   struct wr_error *err) {
    char pattern[FOLLOW_PATH_MAX];
    struct listing listing = {.env = env, .found = found};
    int length = snprintf(pattern, sizeof pattern, "%s*", address);
    if (length < 0 || (size_t)length >= sizeof pattern)
        return wr_error_set(err, WR_EARG, "read %.80s…: the path is too long", address);
    return env->glob(env, pattern, collect_whole, &listing, err);
}

/* Adds the files that `address` means. */
static int find(const struct wr_env *env, const char *address, struct found *found,
                struct wr_error *err) {
    struct wr_file_info info;
    int is_glob = strpbrk(address, "*?[") != NULL;
    uint32_t before = found->count;
    if (strcmp(address, "-") == 0) {
        collect(found, address);
    } else if (env->stat(env, address, &info) == WR_OK) {
        if (info.is_directory && address[strlen(address) - 1] != '/')
            return is_directory(address, err);
        int status = WR_OK;
        if (info.is_directory)
            status = find_in(env, address, found, err);
        else
            collect(found, address);
        if (status != WR_OK && found->status == WR_OK)
            return status;
    } else if (is_glob) {
        int status = env->glob(env, address, collect, found, err);
        if (status != WR_OK && found->status == WR_OK)
            return status;
    }
    if (found->status == WR_ELIMIT)
        return wr_error_set(err, WR_ELIMIT, "`%s` matches more than %u files", address,
                            WR_FILES_MAX);
    if (found->status != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "files of `%s`: out of memory", address);
    return found->count == before ? not_found(env, address, is_glob, err) : WR_OK;
}

int wr_file_find(const struct wr_env *env, const char *address, struct wr_arena *arena,
                 const char *const **files, uint32_t *file_count, struct wr_error *err) {
    struct found found = {.arena = arena};
    int status = find(env, address, &found, err);
    *files = found.files;
    *file_count = found.count;
    return status;
}

/* The files of a list, as the command line gives it: in its order. */
static int find_each(const struct wr_endpoint_bind *bind, const struct wr_value *list,
                     struct wr_file_config *config, struct wr_error *err) {
    struct found found = {.arena = bind->arena};
    int status = WR_OK;
    for (uint32_t i = 0; i < wr_value_count(list) && status == WR_OK; i++)
        status = find(bind->env, wr_value_at(list, i)->string, &found, err);
    config->files = found.files;
    config->file_count = found.count;
    return status;
}

/* ---- the schema ---------------------------------------------------------------------------- */

/* Up to `max` decompressed bytes of the head of a file. */
static int read_head(const struct wr_endpoint_bind *bind, const struct wr_file_config *config,
                     const char *path, uint64_t max, struct wr_buf *head, int *complete,
                     struct wr_error *err) {
    struct wr_input input;
    int status =
        wr_input_open(&input, bind->env, &wr_budget_control, path, config->ratio_max, 1, err);
    if (status != WR_OK)
        return status;
    *complete = 0;
    while (status == WR_OK && head->length < max) {
        uint64_t got = 0, want = WR_MIN(max - head->length, (uint64_t)(256u << 10));
        if (wr_buf_reserve(head, want + 64) != WR_OK) {
            status = wr_error_set(err, WR_ENOMEM, "sample of %s: out of memory", path);
            break;
        }
        status = wr_input_read(&input, head->bytes + head->length, want, &got, err);
        if (status == WR_EAGAIN) {
            status = WR_OK;
            continue;
        }
        head->length += got;
        if (status == WR_OK && got == 0) {
            *complete = 1;
            break;
        }
    }
    wr_input_close(&input);
    return status;
}

/* A string, or what is written as one. */
static int is_text(const struct wr_type *type) {
    return type->kind == WR_STRING || type->kind == WR_DATE || type->kind == WR_TIMESTAMP;
}

/* The type that both hold: integers widen to floats, times to strings, all else to `otherwise`. */
static struct wr_type widen(const struct wr_type *a, const struct wr_type *b,
                            enum wr_type_kind otherwise) {
    if (wr_type_equal(a, b))
        return *a;
    if ((a->kind == WR_INT64 && b->kind == WR_FLOAT64) ||
        (a->kind == WR_FLOAT64 && b->kind == WR_INT64))
        return WR_TYPE(WR_FLOAT64);
    if (is_text(a) && is_text(b))
        return WR_TYPE(WR_STRING);
    if (a->kind >= WR_JSON || b->kind >= WR_JSON)
        return WR_TYPE(WR_JSON);
    return WR_TYPE(otherwise);
}

/* Columns of `more` that are new come behind; those that are known widen. */
static int join_inferred(struct wr_arena *arena, struct wr_inferred *all,
                         const struct wr_inferred *one, const char *path) {
    static const struct wr_schema none = {0};
    const struct wr_schema *before = all->schema == NULL ? &none : all->schema, *more = one->schema;
    all->rows += one->rows;
    uint32_t added = 0;
    for (uint32_t i = 0; i < more->field_count; i++)
        added += wr_schema_find(before, more->fields[i].name, more->fields[i].name_length) < 0;
    struct wr_schema *both = wr_schema_new(arena, before->field_count + added);
    const char **mixed = WR_ARENA_ZEROS(arena, const char *, before->field_count + added + 1);
    if (both == NULL || mixed == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < before->field_count && all->mixed != NULL; i++)
        mixed[i] = all->mixed[i];
    memcpy(both->fields, before->fields, before->field_count * sizeof *before->fields);
    uint32_t count = before->field_count;
    for (uint32_t i = 0; i < more->field_count; i++) {
        const struct wr_field *field = &more->fields[i];
        int known = wr_schema_find(before, field->name, field->name_length);
        uint32_t at = known < 0 ? count++ : (uint32_t)known;
        if (mixed[at] == NULL && one->mixed != NULL)
            mixed[at] = one->mixed[i];
        struct wr_field *into = &both->fields[at];
        int is_first = known < 0 || into->guess == WR_GUESS_NOTHING;
        if (is_first)
            *into = *field;
        else if (field->guess != WR_GUESS_NOTHING)
            into->type = widen(&into->type, &field->type, one->mixed != NULL ? WR_JSON : WR_STRING);
        if (field->why_string != NULL && (is_first || into->why_string == NULL)) {
            into->why_string = field->why_string;
            into->why_line = field->why_line;
            into->why_file = path;
        }
    }
    both->field_count = count;
    all->schema = both;
    all->mixed = one->mixed != NULL ? mixed : NULL;
    return WR_OK;
}

static int fixed_lines_schema(struct wr_arena *arena, const struct wr_schema **schema) {
    struct wr_schema *lines = wr_schema_new(arena, 1);
    if (lines == NULL)
        return WR_ENOMEM;
    lines->fields[0].name = "line";
    lines->fields[0].name_length = 4;
    lines->fields[0].type = WR_TYPE(WR_STRING);
    *schema = lines;
    return WR_OK;
}

static int no_schema(const struct wr_endpoint_bind *bind, const char *address,
                     struct wr_error *err) {
    (void)bind;
    wr_error_script(err, "W408", "the schema of `%s` is not known without reading it", address);
    wr_error_help(err, "say it: `schema = \"name type, …\"`, or run `weir schema pull SCRIPT`");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

/* Samples the files in their order, until 16 MB of them were seen. */
static int infer_schema(struct wr_endpoint_bind *bind, struct wr_file_config *config,
                        struct wr_error *err) {
    struct wr_buf head;
    wr_buf_init(&head, &wr_budget_control, 0);
    uint64_t left = WR_SAMPLE_BYTES_MAX;
    int status = WR_OK;
    struct wr_inferred all = {0};
    for (uint32_t i = 0; i < config->file_count && left > 0 && status == WR_OK; i++) {
        int complete = 0;
        struct wr_inferred one = {0};
        wr_buf_clear(&head);
        status = read_head(bind, config, config->files[i], left, &head, &complete, err);
        if (status != WR_OK)
            break;
        left -= head.length;
        if (head.length == 0)
            continue;
        status = config->format->infer(bind->arena, config->options, head.bytes, head.length,
                                       complete, &one, err);
        if (status != WR_OK) {
            /* A wrong option has nothing to do with this file. */
            if (status != WR_ESCRIPT ||
                (err != NULL && (strcmp(err->code, "W408") == 0 || strcmp(err->code, "W105") == 0)))
                wr_error_add(err, status, "schema of `%s`", config->files[i]);
            break;
        }
        status = join_inferred(bind->arena, &all, &one, config->files[i]);
        if (status != WR_OK)
            wr_error_set(err, status, "schema of `%s`: out of memory", config->files[i]);
    }
    wr_buf_release(&head);
    if (status == WR_OK && (all.schema == NULL || all.schema->field_count == 0)) {
        wr_error_script(err, "W408", "`%s` is empty: its schema cannot be seen", config->address);
        wr_error_help(err, "say it: `schema = \"name type, …\"`");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    bind->schema = all.schema;
    bind->inferred_rows = all.rows;
    config->mixed = all.mixed;
    return status;
}

/* A decoder is opened once, so that a wrong option of the format is told at the call. */
static int check_format(const struct wr_endpoint_bind *bind, const struct wr_file_config *config,
                        struct wr_error *err) {
    struct wr_budget budget = WR_BUDGET_INIT("options", 0);
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, config->format->size_bytes);
    int status = WR_OK;
    if (decoder == NULL) {
        status = wr_error_set(err, WR_ENOMEM, "format %s: out of memory", config->format->name);
    } else {
        decoder->type = config->format;
        decoder->setup = (struct wr_decoder_setup){.schema = bind->schema,
                                                   .options = config->options,
                                                   .batch_rows = WR_BATCH_ROWS_DEFAULT,
                                                   .record_bytes_max = config->record_bytes_max,
                                                   .pool = &pool,
                                                   .timezone = config->timezone};
        status = config->format->open(decoder, err);
        if (status == WR_OK)
            config->format->close(decoder);
        wr_free(&wr_budget_control, decoder);
    }
    wr_batch_pool_release(&pool);
    return status;
}

/* ---- bind ---------------------------------------------------------------------------------- */

static const char *const file_options[] = {"compression", "roll",       "partitions",
                                           "max_ratio",   "max_record", NULL};

static int read_options(struct wr_file_config *config, const struct wr_options *options,
                        struct wr_error *err) {
    static const char *const not_yet[] = {"roll", "wait", NULL};
    static const char *const partitions[] = {"one", "each", NULL};
    static const char *const on_error[] = {"reject", "fail", NULL};
    static const char *const check[] = {"needed", "all", NULL};
    static const char *const compression[] = {"auto", "none", "gzip", "zstd", NULL};
    int each = 0, fail = 0, check_all = 0, ignored = 0;
    uint64_t record = WR_RECORD_BYTES_MAX;
    int status = wr_options_refuse(options, not_yet, err);
    if (status == WR_OK)
        status = wr_option_word(options, "partitions", partitions, &each, err);
    if (status == WR_OK)
        status = wr_option_word(options, "on_error", on_error, &fail, err);
    if (status == WR_OK)
        status = wr_option_word(options, "check", check, &check_all, err);
    if (status == WR_OK) /* said for writing; a reader sees it from the bytes */
        status = wr_option_word(options, "compression", compression, &ignored, err);
    if (status == WR_OK)
        status = wr_option_count(options, "max_ratio", 0, &config->ratio_max, err);
    if (status == WR_OK)
        status = wr_option_count(options, "max_record", 1, &record, err);
    if (status == WR_OK)
        status = wr_option_text(options, "timezone", &config->timezone, err);
    if (status == WR_OK && record > WR_RECORD_BYTES_HARD) {
        wr_error_script(err, "W203", "option `max_record` must be at most 16MB");
        wr_error_at(err, "max_record", 0, 0);
        return WR_ESCRIPT;
    }
    config->each = (uint8_t)each;
    config->fail = (uint8_t)fail;
    config->check_all = (uint8_t)check_all;
    config->record_bytes_max = (uint32_t)record;
    return status;
}

/* A look at it would take what it looks at. */
static int is_pipe(const struct wr_env *env, const char *path) {
    struct wr_file_info info;
    return strcmp(path, "-") != 0 && env->stat(env, path, &info) == WR_OK && !info.is_regular &&
           !info.is_directory;
}

static int bind_schema(struct wr_endpoint_bind *bind, struct wr_file_config *config,
                       struct wr_error *err) {
    int status = wr_endpoint_schema(bind, &bind->schema, err);
    if (status != WR_OK || bind->schema != NULL)
        return status;
    if (config->format->infer == NULL) {
        if (fixed_lines_schema(bind->arena, &bind->schema) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "schema: out of memory");
        return WR_OK;
    }
    if (!bind->may_sample || config->files == NULL)
        return no_schema(bind, config->address, err);
    for (uint32_t i = 0; i < config->file_count; i++)
        if (is_pipe(bind->env, config->files[i])) {
            wr_error_script(err, "W408",
                            "the columns of `%s` are not known: a pipe can be read once",
                            config->files[i]);
            wr_error_help(err, "say them: `schema = \"…\"`; or read `-`, the standard input");
            wr_error_at(err, "1", 0, 0);
            return WR_ESCRIPT;
        }
    return infer_schema(bind, config, err);
}

/* "a.csv and 2 more": how messages call files that were listed. */
static int name_list(struct wr_endpoint_bind *bind, const struct wr_file_config *config,
                     uint32_t count, struct wr_error *err) {
    size_t size = strlen(config->address) + 32;
    char *name = wr_arena_alloc(bind->arena, size);
    if (name == NULL)
        return wr_error_set(err, WR_ENOMEM, "file: out of memory");
    snprintf(name, size, "%s and %u more", config->address, count - 1);
    bind->name = name;
    return WR_OK;
}

int wr_file_is_compressed(const char *address, struct wr_error *err) {
    wr_error_script(err, "W203", "`%s` is compressed, so it cannot be followed", address);
    wr_error_help(err, "compressed data can be read when it is whole: follow the directory into "
                       "which whole files come, `weir.read(\"in/\", { follow = true, … })`");
    return WR_ESCRIPT;
}

/* Of a source that never ends. */
static int check_follow(const struct wr_endpoint_bind *bind, const struct wr_file_config *config,
                        struct wr_error *err) {
    struct wr_file_info info;
    const char *address = config->address;
    size_t length = strlen(address);
    int is_one = strpbrk(address, "*?[") == NULL && address[length - 1] != '/';
    if (config->each) {
        wr_error_script(err, "W203", "`follow` reads all files as one partition");
        wr_error_help(err, "files come while it runs; leave `partitions` out");
        wr_error_at(err, "partitions", 0, 0);
        return WR_ESCRIPT;
    }
    if (strcmp(address, "-") == 0 || wr_value_get(wr_value_get(bind->spec, "endpoint"), "files")) {
        wr_error_script(err, "W203", "`follow` is of a file, a glob or a directory");
        wr_error_help(err, "the standard input is read as it comes, without `follow`");
        wr_error_at(err, "follow", 0, 0);
        return WR_ESCRIPT;
    }
    if (is_one && bind->env->stat(bind->env, address, &info) == WR_OK && info.is_directory)
        return is_directory(address, err);
    enum wr_compression compression = WR_COMPRESSION_NONE;
    wr_format_of_name(address, &compression);
    if (is_one && compression != WR_COMPRESSION_NONE) {
        int status = wr_file_is_compressed(address, err);
        wr_error_at(err, "1", 0, 0);
        return status;
    }
    if (length + 8 < FOLLOW_PATH_MAX)
        return WR_OK;
    return wr_error_set(err, WR_EARG, "read %.80s…: the path is too long", address);
}

int wr_file_source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    if (status != WR_OK)
        return status;
    struct wr_file_config *config = WR_ARENA_ZEROS(bind->arena, struct wr_file_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "file: out of memory");
    config->address = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    config->ratio_max = WR_INPUT_RATIO_MAX;
    config->timezone = bind->timezone;
    if (config->address[0] == 0) {
        wr_error_script(err, "W401", "no such file: the path is empty");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    status = read_options(config, &options, err);
    const char *kind = wr_value_string(wr_value_get(bind->spec, "endpoint"), "kind", "file");
    config->follows = strcmp(kind, "file") != 0;
    if (status == WR_OK && config->follows)
        status = check_follow(bind, config, err);
    if (status == WR_OK)
        status = wr_options_rest(&options, bind->arena, wr_options_of_read, file_options,
                                 &config->options, err);
    /* A file that has its schema may be made later: then only its opening asks for it. */
    int given = wr_value_get(bind->spec, "schema") != NULL;
    config->schema_given = (uint8_t)given;
    const struct wr_value *list = wr_value_get(wr_value_get(bind->spec, "endpoint"), "files");
    if (status == WR_OK && list != NULL)
        status = find_each(bind, list, config, err);
    else if (status == WR_OK && (config->each || (!given && bind->may_sample)))
        status = wr_file_find(bind->env, config->address, bind->arena, &config->files,
                              &config->file_count, err);
    if (status == WR_ENOINPUT && config->follows && err != NULL &&
        strncmp(err->help, "did you mean", 12) != 0)
        wr_error_help(err, "columns are taken from what is there; with `schema = \"name type, …\"` "
                           "what comes is waited for");
    const char *format = NULL;
    const char *named = config->files != NULL ? config->files[0] : config->address;
    if (status == WR_OK)
        status = wr_format_choose(bind, named, strcmp(config->address, "-") == 0 ? "ndjson" : NULL,
                                  &format, err);
    if (status == WR_OK)
        status = wr_decoder_choose(format, &config->format, err);
    if (status == WR_OK)
        status = bind_schema(bind, config, err);
    if (status == WR_OK)
        status = check_format(bind, config, err);
    bind->partition_count = config->each ? config->file_count : 1;
    bind->bounded = !config->follows;
    bind->resume = strcmp(config->address, "-") == 0 ? WR_RESUME_START : WR_RESUME_EXACT;
    bind->reads_once = strcmp(config->address, "-") == 0 || strcmp(kind, "watch") == 0 ||
                       is_pipe(bind->env, config->address);
    bind->config = config;
    bind->name = strcmp(config->address, "-") == 0 ? "standard input" : config->address;
    if (status == WR_OK && list != NULL)
        status = name_list(bind, config, wr_value_count(list), err);
    return status;
}
