/* sqlite_sink.c: rows into a table of a SQLite file, one transaction an epoch.
 *
 *   append   insert
 *   upsert   insert, or update the row of the same key; in a changelog a row taken back deletes it,
 *            also one from before the run, where the change comes here: those that come to nothing
 *            within one batch do not
 *   replace  into a table beside, `weir_new_NAME`, which takes the place of the old one at finish
 *   new      append to a table that must not exist
 *
 * Where an audit holds them, rows of all modes go into the table beside, and from there to their
 * place at finish, in one transaction (sqlite_publish.h); keys that were taken back stand in
 * `weir_del_NAME` until then. An audit that fails leaves both for looking at.
 *
 * With a state, each commit also says in the table `weir_commit` how many rows the sink has seen.
 * The file commits before the state does; after a crash between the two the rows come again, since
 * a pipeline that is repeatable gives the same rows, and as many as the file has already are passed
 * over. Where it may give others (wr_sink.varies) all are written: some twice; or by key, when what
 * the state does not know of has been taken back (sqlite_undo.h).
 *
 * Values are written as the language says (nil null, bool 0 and 1, times and decimals as text). A
 * row that SQLite refuses, or a NaN (SQLite would make it null), leaves as a reject (W509) and the
 * others go on. After
 * any other error the transaction is rolled back and nothing more is written. */
#include "conn/connectors.h"

#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/sqlite.h"
#include "conn/sqlite_bind.h"
#include "conn/sqlite_commit.h"
#include "conn/sqlite_publish.h"
#include "conn/sqlite_shared.h"
#include "conn/sqlite_table.h"
#include "conn/sqlite_undo.h"
#include "conn/table_sink.h"
#include "conn/touched.h"
#include "data/text.h"

#include "base/banned.h"

#define SAVE_VERSION 2

struct sqlite_sink {
    struct wr_sink base;
    const struct wr_sqlite_config *config;
    struct wr_sqlite_shared *shared;
    struct wr_sqlite_table table; /* the one that is filled */
    struct wr_sqlite_table gone;  /* no schema: there is none */
    sqlite3_stmt *insert, *remove, *remember;
    char (*texts)[WR_NUMBER_TEXT_MAX]; /* one a column: times and decimals while they are bound */
    int is_begun, is_ready; /* in an epoch; the table is there and the statements are made */
    int is_beside;          /* rows go into the table beside, until finish */
    int saved, finished;
    uint64_t id;        /* of this sink in `weir_commit`, when there is a state */
    uint64_t rows_seen; /* rows that came, written or refused */
    uint64_t rows_told; /* as `weir_commit` had them when this instance read or wrote it last */
    uint64_t rows_skip; /* of the coming ones: their epoch is in the file, and not in the state */
    uint64_t rows_safe; /* of `rows_seen`: the state knows of them and of their rejects */
    int has_refused;    /* the file keeps refused rows of this sink */
    int keeps; /* what keys had, since rows behind the last checkpoint may come as others */
    struct wr_sqlite_undo undo;
    struct wr_touched touched;
};

/* ---- opening ------------------------------------------------------------------------------- */

static void sink_close(struct wr_sink *sink);

/* Looks at the table of the script's name: errors come before any row does. */
static int look(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sqlite_config *config = self->config;
    if (self->saved && self->is_beside) {
        int status = wr_sqlite_table_look(&self->table, 0, err);
        if (status != WR_OK)
            return status;
        if (!self->table.exists)
            self->finished = 1; /* it took its place, and the state had no time to hear of it */
    }
    struct wr_sqlite_table named = self->table;
    named.name = config->table;
    int status = wr_sqlite_table_look(&named, config->mode != WR_TABLE_REPLACE, err);
    if (status == WR_OK && config->mode == WR_TABLE_NEW && named.exists && !self->saved) {
        wr_error_set(err, WR_EEXIST, "%s: the table exists already", self->base.name);
        wr_error_help(err, "`mode = \"new\"` writes no table that is there: \"append\", "
                           "\"replace\"");
        return WR_EEXIST;
    }
    return status;
}

/* What the file has that the state does not know of. */
static int look_back(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    struct sqlite3 *db = self->shared->db;
    int status = wr_sqlite_undo_find(&self->undo, db, self->config->path, err);
    if (!self->saved) /* its first commit may be there, without rows */
        return status;
    if (status == WR_OK)
        status = wr_sqlite_commit_read(
            db, sink->name, self->id, self->rows_seen,
            sink->differs && !self->undo.exists ? NULL : &self->rows_skip, err);
    if (status != WR_OK)
        return status;
    self->has_refused = wr_sqlite_refused_are_there(db);
    self->rows_told = self->rows_seen + self->rows_skip;
    if (self->undo.exists && self->rows_skip > 0) {
        if (self->undo.back != self->rows_seen)
            return wr_sqlite_is_older(sink->name, self->rows_seen, self->undo.back, err);
        self->undo.is_due = 1;
        self->rows_skip = 0;
    } else if (sink->varies) { /* of a version that kept nothing */
        self->rows_seen += self->rows_skip;
        self->rows_skip = 0;
    }
    return WR_OK;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    const struct wr_sqlite_config *config = sink->config;
    self->config = config;
    self->is_beside = config->mode == WR_TABLE_REPLACE || sink->held;
    sink->shown = self->is_beside ? WR_SHOWN_AT_FINISH : WR_SHOWN_AT_COMMIT;
    sink->kept = sink->held ? config->beside : NULL;
    if (from != NULL) {
        uint64_t version = wr_reader_varint(from);
        sink->rows_written = wr_reader_varint(from);
        self->rows_seen = wr_reader_varint(from);
        self->id = wr_reader_u64(from);
        self->finished = (int)wr_reader_varint(from);
        if (from->failed || version != SAVE_VERSION)
            return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                                sink->name);
        self->saved = 1;
    } else if (sink->store != NULL) { /* SQLite's integers have a sign */
        self->id = wr_sink_token(sink) >> 1;
    }
    int status = wr_sqlite_shared_open(&self->shared, sink, config->path, &config->retry, err);
    if (status != WR_OK)
        return status;
    self->table = (struct wr_sqlite_table){
        .db = self->shared->db,
        .path = config->path,
        .name = self->is_beside ? config->beside : config->table,
        .schema = sink->schema,
        .key_count = config->key_count,
        .key = config->key,
    };
    if (sink->held && config->gone_schema != NULL)
        self->gone = (struct wr_sqlite_table){.db = self->shared->db,
                                              .path = config->path,
                                              .name = config->gone,
                                              .schema = config->gone_schema};
    self->texts = wr_alloc(&wr_budget_control, sink->schema->field_count * sizeof *self->texts);
    status = self->texts == NULL ? wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name)
                                 : look(self, err);
    self->rows_told = self->rows_seen;
    self->keeps = sink->store != NULL && sink->varies && config->key_count > 0;
    if (self->keeps)
        wr_touched_init(&self->touched, sink->budget, sink->schema, config->key, config->key_count,
                        self->id);
    self->undo.id = self->id;
    self->undo.gone_table = self->gone.schema == NULL ? NULL : config->gone;
    if (status == WR_OK && sink->store != NULL)
        status = look_back(self, err);
    status = wr_sqlite_shared_outcome(self->shared, status, err);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

static int make_statement(struct sqlite_sink *self, sqlite3_stmt **statement,
                          const struct wr_sqlite_table *table,
                          int (*text)(const struct wr_sqlite_table *, struct wr_buf *),
                          struct wr_error *err) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    int status = text != NULL ? text(table, &sql)
                              : wr_sqlite_table_insert(table, table->key_count > 0, &sql);
    if (status != WR_OK)
        wr_error_set(err, status, "%s: out of memory", self->base.name);
    else
        status = wr_sqlite_prepare(self->table.db, self->config->path, sql.bytes, statement, err);
    wr_buf_release(&sql);
    return status;
}

/* The tables beside, of a run before. */
static int drop_beside(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sqlite_config *config = self->config;
    int status = wr_sqlite_drop(self->shared->db, config->path, config->beside, err);
    return status == WR_OK && self->base.held
               ? wr_sqlite_drop(self->shared->db, config->path, config->gone, err)
               : status;
}

static int make_gone(struct sqlite_sink *self, struct wr_error *err) {
    int status = wr_sqlite_table_look(&self->gone, 0, err);
    if (status == WR_OK && !self->gone.exists)
        status = wr_sqlite_table_make(&self->gone, err);
    return status == WR_OK ? make_statement(self, &self->remember, &self->gone, NULL, err) : status;
}

/* Takes back what the state does not know of, and keeps from now on what keys had. */
static int take(struct sqlite_sink *self, int is_new, struct wr_error *err) {
    int is_due = self->undo.is_due;
    int status = wr_sqlite_undo_take(&self->undo, &self->table, is_new, self->keeps, err);
    if (status == WR_OK && is_due && self->has_refused)
        status = wr_sqlite_refused_drop(self->shared->db, self->config->path, self->id,
                                        self->rows_seen, err);
    return status;
}

/* Within the first epoch's transaction, so that a run that fails leaves no empty table. */
static int make_ready(struct sqlite_sink *self, struct wr_error *err) {
    int status = self->is_beside && !self->saved ? drop_beside(self, err) : WR_OK;
    if (status == WR_OK)
        status = wr_sqlite_table_look(&self->table, 1, err);
    int is_new = !self->table.exists;
    if (status == WR_OK && is_new)
        status = wr_sqlite_table_make(&self->table, err);
    if (status == WR_OK)
        status = wr_sqlite_table_key(&self->table, err);
    if (status == WR_OK)
        status = take(self, is_new, err);
    if (status == WR_OK)
        status = make_statement(self, &self->insert, &self->table, NULL, err);
    if (status == WR_OK && self->table.key_count > 0)
        status = make_statement(self, &self->remove, &self->table, wr_sqlite_table_delete, err);
    if (status == WR_OK && self->gone.schema != NULL)
        status = make_gone(self, err);
    self->is_ready = status == WR_OK;
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int bind_value(struct sqlite_sink *self, sqlite3_stmt *statement, int parameter,
                      const struct wr_batch *batch, uint32_t column, uint32_t row) {
    return wr_sqlite_bind_cell(statement, parameter, &batch->schema->fields[column].type,
                               &batch->columns[column], row, self->texts[column]);
}

/* The file keeps it too, until the state knows of the reject: see `pass_over`. */
static int refuse(struct sqlite_sink *self, struct wr_batch *batch, uint32_t row,
                  const char *detail, struct wr_error *err) {
    if (self->base.store != NULL && !self->keeps) {
        int status = wr_sqlite_refused_add(self->shared->db, self->config->path, self->id,
                                           self->rows_seen, detail, err);
        if (status != WR_OK) {
            wr_sqlite_shared_break(self->shared);
            return status;
        }
        self->has_refused = 1;
    }
    return wr_table_refuse(&self->base, batch, row, detail);
}

/* A row that comes once more, and is in the file: or was refused, and is again. */
static int pass_over(struct sqlite_sink *self, struct wr_batch *batch, uint32_t row,
                     struct wr_error *err) {
    char detail[WR_SQLITE_DETAIL_MAX];
    int was_refused = 0;
    if (self->has_refused) {
        int status = wr_sqlite_refused_find(self->shared->db, self->config->path, self->id,
                                            self->rows_seen, detail, &was_refused, err);
        if (status != WR_OK)
            return status;
    }
    if (was_refused)
        return wr_table_refuse(&self->base, batch, row, detail);
    self->base.rows_written++;
    return WR_OK;
}

/* Runs a bound statement: the row is in, refused, or the sink is broken. */
static int step(struct sqlite_sink *self, sqlite3_stmt *statement, struct wr_batch *batch,
                uint32_t row, struct wr_error *err) {
    int code = sqlite3_step(statement) & 0xff;
    if (code == SQLITE_DONE || code == SQLITE_ROW) {
        sqlite3_reset(statement);
        self->base.rows_written++;
        return WR_OK;
    }
    sqlite3 *db = self->shared->db;
    int is_row = code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
    if (is_row && !sqlite3_get_autocommit(db)) {
        char detail[WR_SQLITE_DETAIL_MAX];
        sqlite3_snprintf(sizeof detail, detail, "%s", sqlite3_errmsg(db));
        sqlite3_reset(statement);
        return refuse(self, batch, row, detail, err);
    }
    int status = wr_sqlite_failed(db, self->config->path, "write", err);
    sqlite3_reset(statement);
    wr_sqlite_shared_break(self->shared);
    return status;
}

static int bind_key(struct sqlite_sink *self, sqlite3_stmt *statement, const struct wr_batch *batch,
                    uint32_t row, struct wr_error *err) {
    for (uint32_t i = 0; i < self->table.key_count; i++) {
        int refused = bind_value(self, statement, (int)i + 1, batch, self->table.key[i], row);
        if (refused < 0)
            return wr_error_set(err, refused, "%s: out of memory", self->base.name);
    }
    return WR_OK;
}

/* What the key of the `i`-th row has before it is written, where it is the first one. */
static int keep(struct sqlite_sink *self, const struct wr_batch *batch, uint32_t i, int removes,
                struct wr_error *err) {
    uint32_t row = wr_batch_row(batch, i);
    if (!self->keeps || wr_touched_was(&self->touched, i, removes))
        return WR_OK;
    wr_touched_mark(&self->touched, i, removes);
    int status = bind_key(self, self->undo.note, batch, row, err);
    if (status == WR_OK)
        status = wr_sqlite_undo_keep(&self->undo, &self->table, removes, err);
    if (status != WR_OK)
        wr_sqlite_shared_break(self->shared);
    return status;
}

static int write_row(struct sqlite_sink *self, struct wr_batch *batch, uint32_t i,
                     struct wr_error *err) {
    uint32_t row = wr_batch_row(batch, i);
    for (uint32_t c = 0; c < batch->schema->field_count; c++) {
        int refused = bind_value(self, self->insert, (int)c + 1, batch, c, row);
        if (refused < 0 && refused != WR_ELIMIT)
            return wr_error_set(err, refused, "%s: out of memory", self->base.name);
        if (refused) {
            char detail[160];
            sqlite3_snprintf(sizeof detail, detail, "column `%s` is %s, which SQLite cannot hold",
                             batch->schema->fields[c].name,
                             refused == WR_ELIMIT ? "too long" : "NaN");
            return refuse(self, batch, row, detail, err);
        }
    }
    int status = keep(self, batch, i, 0, err);
    return status == WR_OK ? step(self, self->insert, batch, row, err) : status;
}

static int remove_row(struct sqlite_sink *self, struct wr_batch *batch, uint32_t i,
                      struct wr_error *err) {
    uint32_t row = wr_batch_row(batch, i);
    int status = bind_key(self, self->remove, batch, row, err);
    if (status == WR_OK)
        status = keep(self, batch, i, 1, err);
    if (status == WR_OK)
        status = step(self, self->remove, batch, row, err);
    if (status != WR_OK || self->remember == NULL)
        return status;
    status = bind_key(self, self->remember, batch, row, err);
    if (status == WR_OK)
        status = step(self, self->remember, batch, row, err);
    self->base.rows_written -= status == WR_OK; /* it is one row */
    return status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    WR_ASSERT(self->is_begun);
    if (self->finished)
        return wr_error_set(err, WR_EEXIST, "%s: it was complete already, and more rows come",
                            sink->name);
    if (self->shared->broken)
        return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", sink->name);
    wr_sqlite_shared_serve(self->shared, sink);
    const int64_t *weight = self->remove == NULL ? NULL : batch->weight;
    int status = self->keeps ? wr_touched_look(&self->touched, batch) : WR_OK;
    if (status != WR_OK)
        return wr_error_set(err, status, "%s: out of memory", sink->name);
    for (uint32_t i = 0; i < batch->sel_count && status == WR_OK; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int is_there = self->rows_skip > 0;
        self->rows_seen++;
        self->rows_skip -= (uint64_t)is_there;
        if (weight == NULL || weight[row] > 0) {
            status = is_there ? pass_over(self, batch, row, err) : write_row(self, batch, i, err);
            continue;
        }
        /* An update comes as the old row and the new one: the new one overwrites it. */
        uint32_t next = i + 1 < batch->sel_count ? wr_batch_row(batch, i + 1) : row;
        if (next == row || weight[next] < 0 ||
            !wr_table_same_key(batch, self->table.key, self->table.key_count, row, next))
            status = is_there ? pass_over(self, batch, row, err) : remove_row(self, batch, i, err);
    }
    sqlite3_clear_bindings(self->insert); /* they point into the batch */
    if (self->remove != NULL)
        sqlite3_clear_bindings(self->remove);
    if (self->remember != NULL)
        sqlite3_clear_bindings(self->remember);
    if (self->undo.note != NULL)
        sqlite3_clear_bindings(self->undo.note);
    return wr_sqlite_shared_outcome(self->shared, status, err);
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    (void)epoch;
    WR_ASSERT(!self->is_begun);
    wr_sqlite_shared_serve(self->shared, sink);
    int status = wr_sqlite_shared_begin(self->shared, err);
    if (status != WR_OK)
        return wr_sqlite_shared_outcome(self->shared, status, err);
    self->is_begun = 1;
    self->rows_safe = self->rows_seen;
    wr_sqlite_undo_begin(&self->undo);
    if (self->keeps)
        wr_touched_forget(&self->touched);
    if (!self->is_ready && !self->finished) {
        status = make_ready(self, err);
        if (status != WR_OK)
            wr_sqlite_shared_break(self->shared);
    }
    return wr_sqlite_shared_outcome(self->shared, status, err);
}

static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    (void)epoch;
    if (self->shared->broken)
        return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", sink->name);
    return WR_OK;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    const struct wr_sqlite_config *config = self->config;
    (void)epoch;
    WR_ASSERT(self->is_begun);
    wr_sqlite_shared_serve(self->shared, sink);
    if (sink->store != NULL && !self->shared->broken) {
        /* Rows that come once more are in the file until the last of them has come. */
        uint64_t rows = self->rows_seen + self->rows_skip;
        int status = wr_sqlite_commit_write(self->shared->db, config->path, config->table, self->id,
                                            self->rows_told, rows, err);
        self->rows_told = rows;
        if (status == WR_OK && self->undo.note != NULL)
            status = wr_sqlite_undo_say(&self->undo, &self->table, self->rows_safe, rows, err);
        if (status == WR_OK && self->has_refused)
            status = wr_sqlite_refused_forget(self->shared->db, config->path, self->id,
                                              self->rows_safe, err);
        if (status != WR_OK) {
            wr_sqlite_shared_break(self->shared);
            return wr_sqlite_shared_outcome(self->shared, status, err);
        }
    }
    self->is_begun = 0;
    return wr_sqlite_shared_outcome(self->shared, wr_sqlite_shared_commit(self->shared, err), err);
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, sink->rows_written);
    wr_buf_add_varint(out, self->rows_seen);
    wr_buf_add_u64(out, self->id);
    wr_buf_add_varint(out, (uint64_t)self->finished);
    if (out->status == WR_OK)
        self->saved = 1;
    return out->status;
}

static void drop_statements(struct sqlite_sink *self) {
    sqlite3_finalize(self->insert);
    sqlite3_finalize(self->remove);
    sqlite3_finalize(self->remember);
    wr_sqlite_undo_release(&self->undo);
    self->insert = self->remove = self->remember = NULL;
    self->is_ready = 0;
}

static int publish(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sqlite_config *config = self->config;
    struct wr_sqlite_publish what = {
        .beside = &self->table,
        .gone = self->gone.schema == NULL ? NULL : config->gone,
        .name = config->table,
        .replaces = config->mode == WR_TABLE_REPLACE,
    };
    return wr_sqlite_publish(&what, err);
}

/* An epoch that has begun, for rows that did not come, ends here too. */
static int finish(struct sqlite_sink *self, struct wr_error *err) {
    int publishes = self->is_beside && !self->finished;
    int is_ready = self->is_ready, status = WR_OK;
    if (publishes)
        drop_statements(self);
    if (publishes && !self->is_begun) {
        status = wr_sqlite_shared_begin(self->shared, err);
        if (status != WR_OK)
            return status;
        self->is_begun = 1;
    }
    if (publishes && !is_ready && !self->saved) { /* no epoch ever began: an empty table */
        status = make_ready(self, err);
        drop_statements(self);
    }
    if (status == WR_OK && self->is_begun && !self->finished)
        status = wr_sqlite_undo_end(&self->undo, &self->table, err);
    if (publishes && status == WR_OK)
        status = publish(self, err);
    if (status == WR_OK && self->has_refused && self->is_begun)
        status = wr_sqlite_refused_forget(self->shared->db, self->config->path, self->id,
                                          self->rows_seen, err);
    if (status != WR_OK) {
        wr_sqlite_shared_break(self->shared);
        return status;
    }
    if (self->is_begun)
        status = wr_sqlite_shared_commit(self->shared, err);
    self->is_begun = 0;
    self->finished = status == WR_OK;
    return status;
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    wr_sqlite_shared_serve(self->shared, sink);
    return wr_sqlite_shared_outcome(self->shared, finish(self, err), err);
}

static void sink_close(struct wr_sink *sink) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    drop_statements(self);
    if (self->shared != NULL) {
        int unfinished = self->is_beside && !self->finished && !self->saved;
        if (unfinished && !self->is_begun && !self->shared->broken &&
            self->shared->begun_count == 0)
            drop_beside(self, NULL);
        wr_sqlite_shared_close(self->shared, self->is_begun);
    }
    self->shared = NULL;
    self->is_begun = 0;
    wr_touched_release(&self->touched);
    wr_free(&wr_budget_control, self->texts);
    self->texts = NULL;
}

const struct wr_sink_type wr_sink_sqlite = {
    .name = "sqlite",
    .size_bytes = sizeof(struct sqlite_sink),
    .delivery = WR_DELIVERY_IDEMPOTENT,
    .flags = WR_SINK_KEYS | WR_SINK_REFUSES,
    .bind = wr_sqlite_sink_bind,
    .open = sink_open,
    .begin = sink_begin,
    .write = sink_write,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .save = sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
