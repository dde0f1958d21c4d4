/* sqlite_write.c: see sqlite_write.h. */
#include "conn/sqlite_write.h"

#include <sqlite3.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/sqlite.h"
#include "conn/sqlite_publish.h"
#include "data/text.h"

#include "base/banned.h"

#define DETAIL_BYTES_MAX 512 /* of why a row was refused */

/* ---- bind ---------------------------------------------------------------------------------- */

static int check_names(const struct wr_schema *schema, struct wr_error *err) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        if (strlen(field->name) != field->name_length)
            return wr_error_script(err, "W403", "SQLite takes no column name with a 0 byte");
        for (uint32_t k = 0; k < i; k++)
            if (strcasecmp(schema->fields[k].name, field->name) == 0) {
                wr_error_script(err, "W403", "to SQLite `%s` and `%s` are one column",
                                schema->fields[k].name, field->name);
                wr_error_help(err, "`rename` one of them");
                return WR_ESCRIPT;
            }
    }
    return WR_OK;
}

/* The key's columns alone. */
static int bind_gone(struct wr_sqlite_target *target, const struct wr_endpoint_bind *bind,
                     struct wr_error *err) {
    int takes_back = bind->updates && target->mode == WR_TABLE_UPSERT;
    target->beside = wr_endpoint_textf(bind->arena, "weir_new_%s", target->table);
    target->gone = wr_endpoint_textf(bind->arena, "weir_del_%s", target->table);
    if (takes_back)
        target->gone_schema = wr_table_key_schema(bind);
    int lacks = target->beside == NULL || target->gone == NULL ||
                (takes_back && target->gone_schema == NULL);
    return lacks ? wr_error_set(err, WR_ENOMEM, "sqlite: out of memory") : WR_OK;
}

int wr_sqlite_target_bind(struct wr_sqlite_target *target, struct wr_endpoint_bind *bind,
                          const struct wr_options *options, const char *kind,
                          struct wr_error *err) {
    static const char *const not_yet[] = {"partition_by", NULL};
    int status = wr_options_refuse(options, not_yet, err);
    if (status == WR_OK)
        status = wr_table_choose_mode(bind, options, kind, &target->mode, &target->key_count,
                                      &target->key, err);
    bind->by_key = target->key_count > 0;
    if (status == WR_OK)
        status = check_names(bind->input, err);
    return status == WR_OK ? bind_gone(target, bind, err) : status;
}

/* ---- opening ------------------------------------------------------------------------------- */

void wr_sqlite_write_init(struct wr_sqlite_write *write, struct wr_sink *sink,
                          const struct wr_sqlite_target *target) {
    write->target = target;
    write->sink = sink;
    write->is_beside = target->mode == WR_TABLE_REPLACE || sink->held;
    sink->shown = write->is_beside ? WR_SHOWN_AT_FINISH : WR_SHOWN_AT_COMMIT;
    sink->kept = sink->held ? target->beside : NULL;
}

static int look(struct wr_sqlite_write *write, struct wr_error *err) {
    const struct wr_sqlite_target *target = write->target;
    if (write->saved && write->is_beside) {
        int status = wr_sqlite_table_look(&write->table, 0, err);
        if (status != WR_OK)
            return status;
    }
    struct wr_sqlite_table named = write->table;
    named.name = target->table;
    int status = wr_sqlite_table_look(&named, target->mode != WR_TABLE_REPLACE, err);
    write->stands = named.exists;
    if (status == WR_OK && target->mode == WR_TABLE_NEW && named.exists && !write->saved) {
        wr_error_set(err, WR_EEXIST, "%s: the table exists already", write->sink->name);
        wr_error_help(err, "`mode = \"new\"` writes no table that is there: \"append\", "
                           "\"replace\"");
        return WR_EEXIST;
    }
    return status;
}

int wr_sqlite_write_open(struct wr_sqlite_write *write, struct sqlite3 *db, const char *path,
                         struct wr_error *err) {
    const struct wr_sqlite_target *target = write->target;
    const struct wr_sink *sink = write->sink;
    write->db = db;
    write->path = path;
    write->table = (struct wr_sqlite_table){
        .db = db,
        .path = path,
        .name = write->is_beside ? target->beside : target->table,
        .schema = sink->schema,
        .key_count = target->key_count,
        .key = target->key,
    };
    if (sink->held && target->gone_schema != NULL)
        write->gone = (struct wr_sqlite_table){
            .db = db, .path = path, .name = target->gone, .schema = target->gone_schema};
    write->texts = wr_alloc(&wr_budget_control, sink->schema->field_count * sizeof *write->texts);
    return write->texts == NULL ? wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name)
                                : look(write, err);
}

int wr_sqlite_write_judge(struct wr_sqlite_write *write, uint64_t rows, int published,
                          struct wr_error *err) {
    if (!write->saved || write->finished)
        return WR_OK;
    int stands = write->is_beside ? write->table.exists : write->stands;
    if (write->is_beside && (published > 0 || (published < 0 && !stands && write->stands)))
        write->finished = 1; /* it took its place, and the state had no time to hear of it */
    if (write->finished || stands || rows == 0)
        return WR_OK;
    return wr_table_is_gone(write->sink->name, write->table.name, write->is_beside, rows, err);
}

static int make_statement(struct wr_sqlite_write *write, sqlite3_stmt **statement,
                          const struct wr_sqlite_table *table,
                          int (*text)(const struct wr_sqlite_table *, struct wr_buf *),
                          struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    int status = text != NULL ? text(table, &sql)
                              : wr_sqlite_table_insert(table, table->key_count > 0, &sql);
    if (status != WR_OK)
        wr_error_set(err, status, "%s: out of memory", write->sink->name);
    else
        status = wr_sqlite_prepare(write->db, write->path, sql.bytes, statement, err);
    wr_buf_release(&sql);
    return status;
}

int wr_sqlite_write_drop_beside(struct wr_sqlite_write *write, struct wr_error *err) {
    const struct wr_sqlite_target *target = write->target;
    int status = wr_sqlite_drop(write->db, write->path, target->beside, err);
    return status == WR_OK && write->sink->held
               ? wr_sqlite_drop(write->db, write->path, target->gone, err)
               : status;
}

static int make_gone(struct wr_sqlite_write *write, struct wr_error *err) {
    int status = wr_sqlite_table_look(&write->gone, 0, err);
    if (status == WR_OK && !write->gone.exists)
        status = wr_sqlite_table_make(&write->gone, err);
    return status == WR_OK ? make_statement(write, &write->remember, &write->gone, NULL, err)
                           : status;
}

int wr_sqlite_write_ready(struct wr_sqlite_write *write, struct wr_error *err) {
    struct wr_sqlite_table *table = &write->table;
    int status =
        write->is_beside && !write->saved ? wr_sqlite_write_drop_beside(write, err) : WR_OK;
    if (status == WR_OK)
        status = wr_sqlite_table_look(table, 1, err);
    int is_new = !table->exists;
    if (status == WR_OK && is_new)
        status = wr_sqlite_table_make(table, err);
    if (status == WR_OK)
        status = wr_sqlite_table_key(table, err);
    if (status == WR_OK && write->type->made != NULL)
        status = write->type->made(write, is_new, err);
    if (status == WR_OK)
        status = make_statement(write, &write->insert, table, NULL, err);
    if (status == WR_OK && table->key_count > 0)
        status = make_statement(write, &write->remove, table, wr_sqlite_table_delete, err);
    if (status == WR_OK && write->gone.schema != NULL)
        status = make_gone(write, err);
    write->is_ready = status == WR_OK;
    write->has_made |= write->is_ready;
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int bind_value(struct wr_sqlite_write *write, sqlite3_stmt *statement, int parameter,
                      const struct wr_batch *batch, uint32_t column, uint32_t row) {
    return wr_sqlite_bind_cell(statement, parameter, &batch->schema->fields[column].type,
                               &batch->columns[column], row, write->texts[column]);
}

/* `raise(fail)` behind the insert: the row is refused, and is there. As a reject it would be there
 * twice when it is given once more. */
static int stays(struct wr_sqlite_write *write, sqlite3_stmt *statement, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s: a trigger refuses a row that it leaves in the table: %.300s",
                 write->sink->name, sqlite3_errmsg(write->db));
    wr_error_code(err, "W614");
    wr_error_help(err, "`raise(abort, …)` in the place of `raise(fail, …)` takes the row back, and "
                       "it is a reject");
    sqlite3_reset(statement);
    write->type->fail(write);
    return WR_EREFUSED;
}

/* Runs a bound statement: the row is in, left out by the table itself (`raise(ignore)`, a conflict
 * clause), refused, or the sink is broken. */
static int step(struct wr_sqlite_write *write, sqlite3_stmt *statement, struct wr_batch *batch,
                uint32_t row, struct wr_error *err) {
    int code = sqlite3_step(statement) & 0xff;
    if (code == SQLITE_DONE || code == SQLITE_ROW) {
        int is_out = statement == write->insert && sqlite3_changes(write->db) == 0;
        sqlite3_reset(statement);
        write->sink->left_out += (uint64_t)is_out;
        write->sink->rows_written += (uint64_t)!is_out;
        return write->tells_rows && !is_out
                   ? write->type->wrote(write, sqlite3_last_insert_rowid(write->db), err)
                   : WR_OK;
    }
    int is_row = code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
    if (is_row && sqlite3_changes(write->db) > 0)
        return stays(write, statement, err);
    if (is_row && !sqlite3_get_autocommit(write->db)) {
        char detail[DETAIL_BYTES_MAX];
        sqlite3_snprintf(sizeof detail, detail, "%s", sqlite3_errmsg(write->db));
        sqlite3_reset(statement);
        return write->type->refuse(write, batch, row, detail, err);
    }
    int status = wr_sqlite_failed(write->db, write->path, "write", err);
    sqlite3_reset(statement);
    write->type->fail(write);
    return status;
}

int wr_sqlite_write_bind_key(struct wr_sqlite_write *write, sqlite3_stmt *statement,
                             const struct wr_batch *batch, uint32_t row, struct wr_error *err) {
    for (uint32_t i = 0; i < write->table.key_count; i++) {
        int refused = bind_value(write, statement, (int)i + 1, batch, write->table.key[i], row);
        if (refused < 0)
            return wr_error_set(err, refused, "%s: out of memory", write->sink->name);
    }
    return WR_OK;
}

static int keep(struct wr_sqlite_write *write, const struct wr_batch *batch, uint32_t i,
                int removes, struct wr_error *err) {
    return write->type->keep == NULL ? WR_OK : write->type->keep(write, batch, i, removes, err);
}

static int write_row(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t i,
                     struct wr_error *err) {
    uint32_t row = wr_batch_row(batch, i);
    for (uint32_t c = 0; c < batch->schema->field_count; c++) {
        int refused = bind_value(write, write->insert, (int)c + 1, batch, c, row);
        if (refused < 0 && refused != WR_ELIMIT)
            return wr_error_set(err, refused, "%s: out of memory", write->sink->name);
        if (refused) {
            char detail[160];
            sqlite3_snprintf(sizeof detail, detail, "column `%s` is %s, which SQLite cannot hold",
                             batch->schema->fields[c].name,
                             refused == WR_ELIMIT ? "too long" : "NaN");
            return write->type->refuse(write, batch, row, detail, err);
        }
    }
    const struct wr_sqlite_table *table = &write->table;
    if (table->numbers_nil && wr_column_is_nil(&batch->columns[table->key[0]], row))
        return write->type->refuse(write, batch, row,
                                   "its key is nil, which an `integer primary key` cannot be: it "
                                   "would get a number of its own",
                                   err);
    int status = keep(write, batch, i, 0, err);
    return status == WR_OK ? step(write, write->insert, batch, row, err) : status;
}

static int remove_row(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t i,
                      struct wr_error *err) {
    uint32_t row = wr_batch_row(batch, i);
    int status = wr_sqlite_write_bind_key(write, write->remove, batch, row, err);
    if (status == WR_OK)
        status = keep(write, batch, i, 1, err);
    if (status == WR_OK)
        status = step(write, write->remove, batch, row, err);
    if (status != WR_OK || write->remember == NULL)
        return status;
    status = wr_sqlite_write_bind_key(write, write->remember, batch, row, err);
    if (status == WR_OK)
        status = step(write, write->remember, batch, row, err);
    write->sink->rows_written -= status == WR_OK; /* it is one row */
    return status;
}

int wr_sqlite_write_batch(struct wr_sqlite_write *write, struct wr_batch *batch,
                          struct wr_error *err) {
    const struct wr_sqlite_write_type *type = write->type;
    const int64_t *weight = write->remove == NULL ? NULL : batch->weight;
    int status = WR_OK;
    for (uint32_t i = 0; i < batch->sel_count && status == WR_OK; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int is_there = type->comes != NULL && type->comes(write);
        if (weight == NULL || weight[row] > 0) {
            status = is_there ? type->pass_over(write, batch, row, err)
                              : write_row(write, batch, i, err);
            continue;
        }
        /* An update comes as the old row and the new one: the new one overwrites it. */
        uint32_t next = i + 1 < batch->sel_count ? wr_batch_row(batch, i + 1) : row;
        if (next == row || weight[next] < 0 ||
            !wr_table_same_key(batch, write->table.key, write->table.key_count, row, next))
            status = is_there ? type->pass_over(write, batch, row, err)
                              : remove_row(write, batch, i, err);
    }
    sqlite3_clear_bindings(write->insert); /* they point into the batch */
    if (write->remove != NULL)
        sqlite3_clear_bindings(write->remove);
    if (write->remember != NULL)
        sqlite3_clear_bindings(write->remember);
    return status;
}

/* ---- the end ------------------------------------------------------------------------------- */

int wr_sqlite_write_publish(struct wr_sqlite_write *write, struct wr_error *err) {
    const struct wr_sqlite_target *target = write->target;
    struct wr_sqlite_publish what = {
        .beside = &write->table,
        .gone = write->gone.schema == NULL ? NULL : target->gone,
        .name = target->table,
        .replaces = target->mode == WR_TABLE_REPLACE,
    };
    uint64_t left_out = 0;
    int status = wr_sqlite_publish(&what, &left_out, err);
    write->sink->left_out += left_out;
    write->sink->rows_written -= WR_MIN(left_out, write->sink->rows_written);
    wr_table_tell_left_out(write->sink);
    return status;
}

void wr_sqlite_write_drop_statements(struct wr_sqlite_write *write) {
    sqlite3_finalize(write->insert);
    sqlite3_finalize(write->remove);
    sqlite3_finalize(write->remember);
    write->insert = write->remove = write->remember = NULL;
    write->is_ready = 0;
}

void wr_sqlite_write_close(struct wr_sqlite_write *write) {
    wr_sqlite_write_drop_statements(write);
    wr_free(&wr_budget_control, write->texts);
    write->texts = NULL;
}
