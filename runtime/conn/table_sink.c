/* table_sink.c: see table_sink.h. */
#include "conn/table_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/banned.h"

static int no_key(const struct wr_endpoint_bind *bind, const char *arg, struct wr_error *err) {
    wr_error_script(err, "W404", "%s",
                    bind->updates ? "updates need a key, and the stream has none"
                                  : "upsert needs a key; without one say `mode = \"append\"` "
                                    "or \"replace\"");
    wr_error_help(err, "`key = \"column, …\"` names the key%s",
                  bind->updates ? "; or `:changes()` before it, and `mode = \"append\"`" : "");
    wr_error_at(err, arg, 0, 0);
    return WR_ESCRIPT;
}

int wr_table_choose_mode(struct wr_endpoint_bind *bind, const struct wr_options *options,
                         const char *kind, enum wr_table_mode *chosen, uint32_t *key_count,
                         const uint16_t **key, struct wr_error *err) {
    static const char *const modes[] = {"append", "upsert", "replace", "new", NULL};
    int mode = -1;
    int status = wr_option_word(options, "mode", modes, &mode, err);
    if (status != WR_OK)
        return status;
    int is_given = mode >= 0;
    if (mode < 0 && bind->key_count > 0)
        mode = WR_TABLE_UPSERT;
    int by_key = mode < 0 || mode == WR_TABLE_UPSERT || (bind->updates && mode != WR_TABLE_APPEND);
    if (by_key && bind->key_count == 0)
        return no_key(bind, is_given ? "mode" : "1", err);
    *chosen = (enum wr_table_mode)mode;
    bind->whole = mode == WR_TABLE_REPLACE || wr_value_get(bind->spec, "audited") != NULL;
    if (mode == WR_TABLE_UPSERT || mode == WR_TABLE_REPLACE) {
        *key_count = bind->key_count;
        *key = bind->key;
    }
    if (bind->updates && *key_count == 0) {
        wr_error_script(err, "W306", "`%s` cannot take updates by `append`", kind);
        wr_error_help(err, "leave `mode` out: the key says which row is replaced; or "
                           "`:changes()` before it");
        wr_error_at(err, "mode", 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

const struct wr_schema *wr_table_key_schema(const struct wr_endpoint_bind *bind) {
    struct wr_schema *schema = wr_schema_new(bind->arena, bind->key_count);
    for (uint32_t i = 0; schema != NULL && i < bind->key_count; i++)
        schema->fields[i] = bind->input->fields[bind->key[i]];
    return schema;
}

int wr_table_same_key(const struct wr_batch *batch, const uint16_t *key, uint32_t key_count,
                      uint32_t a, uint32_t b) {
    for (uint32_t i = 0; i < key_count; i++) {
        const struct wr_column *column = &batch->columns[key[i]];
        enum wr_type_kind kind = batch->schema->fields[key[i]].type.kind;
        int a_nil = wr_column_is_nil(column, a), b_nil = wr_column_is_nil(column, b);
        if (a_nil || b_nil) {
            if (a_nil != b_nil)
                return 0;
        } else if (wr_type_is_text(kind)) {
            if (!wr_str_equal(&WR_STR(column)[a], &WR_STR(column)[b]))
                return 0;
        } else {
            uint32_t bytes = wr_type_bytes(kind);
            const char *data = column->data;
            if (memcmp(data + (size_t)a * bytes, data + (size_t)b * bytes, bytes) != 0)
                return 0;
        }
    }
    return 1;
}

int wr_table_refuse(struct wr_sink *sink, struct wr_batch *batch, uint32_t row,
                    const char *detail) {
    if (sink->reject == NULL)
        return WR_OK;
    struct wr_reject reject = {.code = WR_REJECT_SINK,
                               .detail = detail,
                               .stage = sink->node,
                               .row = row,
                               .batch = batch,
                               .source = batch->source,
                               .partition = batch->partition};
    return sink->reject(sink->reject_ctx, &reject);
}

int wr_table_is_ahead(const char *name, uint64_t rows, struct wr_error *err) {
    wr_error_script(err, "W601",
                    "%s: it has %" PRIu64 " rows that the state does not know of, since the run "
                    "was killed between the two, and the changed script makes others",
                    name, rows);
    wr_error_help(err, "run the script as it was once more, and stop it; then change it");
    return WR_EREFUSED;
}

void wr_table_tell_left_out(struct wr_sink *sink) {
    char text[192];
    if (sink->left_out == 0 || sink->has_told_left_out || sink->note == NULL)
        return;
    snprintf(text, sizeof text,
             "it did not take %" PRIu64
             " of the rows so far: a trigger, a rule or an `on conflict` "
             "of the table itself leaves them out, or puts them elsewhere",
             sink->left_out);
    sink->note(sink->note_ctx, sink->name, text);
    sink->has_told_left_out = 1;
}

static void tell(const struct wr_sink *sink, const char *text) {
    if (sink->note != NULL)
        sink->note(sink->note_ctx, sink->name, text);
}

void wr_table_tell_undo(const struct wr_sink *sink, const char *why, const char *trigger) {
    char text[512];
    if (why[0] != 0)
        snprintf(text, sizeof text,
                 "rows behind the last checkpoint may be there twice behind a kill, since the "
                 "table has no key and %s",
                 why);
    else
        snprintf(text, sizeof text,
                 "rows behind the last checkpoint are taken back behind a kill, but not what the "
                 "trigger or rule `%s` of the table does elsewhere",
                 trigger);
    if (why[0] != 0 || trigger[0] != 0)
        tell(sink, text);
}

void wr_table_tell_changed(const struct wr_sink *sink, uint64_t rows, uint64_t changed) {
    char text[256];
    snprintf(text, sizeof text,
             "of %" PRIu64 " rows that the state does not know of %" PRIu64
             " were changed, taken away or written anew since (as by `vacuum` or from a copy): "
             "they stay as they are, and come again",
             rows, changed);
    if (changed > 0)
        tell(sink, text);
}

void wr_table_tell_there(const struct wr_sink *sink) {
    tell(sink, "the table has rows that this state did not write: rows that come replace those of "
               "the same key, whatever went into these, and the others stay; for those of this "
               "state alone empty it, or name another table");
}

int wr_table_is_gone(const char *name, const char *table, int is_beside, uint64_t rows,
                     struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT,
                 "%s: %" PRIu64 " rows of this state went into the table `%s`, and it is not there",
                 name, rows, table);
    wr_error_help(err,
                  "put it back from a copy; or begin anew with another --state, which writes all "
                  "rows%s%s%s",
                  is_beside ? "" : "; or make an empty `", is_beside ? "" : table,
                  is_beside ? "" : "`, which gets the rows that come from now on");
    return WR_ECORRUPT;
}

int wr_table_not_back(const char *place, const char *table, const char *why, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s/%s: rows that the state does not know of cannot be taken back: %.300s", place,
                 table, why);
    wr_error_code(err, "W623");
    wr_error_help(err, "a row or a rule that somebody added since is in the way: take it away, and "
                       "run again");
    return WR_EREFUSED;
}
