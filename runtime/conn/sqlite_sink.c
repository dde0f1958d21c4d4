/* sqlite_sink.c: rows into a table of a SQLite file of its own, one transaction an epoch, which
 * begins with the first of them (sqlite_shared.h). What the modes mean and how rows are written
 * says sqlite_write.h.
 *
 * With a state, each commit also says in the table `weir_commit` how many rows the sink has seen.
 * The file commits before the state does; after a crash between the two the rows come again, since
 * a pipeline that is repeatable gives the same rows, and as many as the file has already are passed
 * over. Where it may give others (wr_sink.varies) all are written, when what the state does not
 * know of has been taken back (sqlite_undo.h): or some twice, in tables of which it cannot be.
 *
 * After an error the transaction is rolled back and nothing more is written. */
#include "conn/connectors.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/file_look.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "conn/sqlite_bind.h"
#include "conn/sqlite_commit.h"
#include "conn/sqlite_shared.h"
#include "conn/sqlite_undo.h"
#include "conn/sqlite_write.h"
#include "conn/table_sink.h"
#include "conn/touched.h"

#include "base/banned.h"

#define SAVE_VERSION 2

struct sqlite_sink {
    struct wr_sink base;
    const struct wr_sqlite_config *config;
    struct wr_sqlite_shared *shared;
    struct wr_sqlite_write write;
    int is_begun;       /* in an epoch */
    int is_in;          /* … and in the transaction: it has something to write */
    uint64_t id;        /* of this sink in `weir_commit`, when there is a state */
    uint64_t rows_seen; /* rows that came, written or refused */
    uint64_t rows_told; /* as `weir_commit` had them when this instance read or wrote it last */
    uint64_t rows_skip; /* of the coming ones: their epoch is in the file, and not in the state */
    uint64_t rows_safe; /* of `rows_seen`: the state knows of them and of their rejects */
    int has_refused;    /* the file keeps refused rows of this sink */
    int keeps; /* what leads back, since rows behind the last checkpoint may come as others */
    struct wr_sqlite_undo undo;
    struct wr_touched touched;
};

/* ---- opening ------------------------------------------------------------------------------- */

static void sink_close(struct wr_sink *sink);

static const struct wr_sqlite_write_type write_type;

/* What the file has that the state does not know of. */
static int look_back(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    struct sqlite3 *db = self->shared->db;
    const char *path = self->config->path;
    int published;
    int status = wr_sqlite_undo_find(&self->undo, db, path, err);
    if (!self->write.saved) /* its first commit may be there, without rows */
        return status;
    /* What was kept by a key that the script does not name any more leads nowhere. */
    int can = self->undo.exists && (self->undo.has_rows || self->config->target.key_count > 0);
    if (status == WR_OK)
        status = wr_sqlite_commit_read(db, path, sink->name, self->id, self->rows_seen,
                                       sink->differs && !can ? NULL : &self->rows_skip, err);
    if (status == WR_OK)
        status = wr_sqlite_refused_are_there(db, path, &self->has_refused, err);
    if (status == WR_OK)
        status = wr_sqlite_commit_published(db, path, self->id, &published, err);
    if (status != WR_OK)
        return status;
    self->rows_told = self->rows_seen + self->rows_skip;
    status = wr_sqlite_write_judge(&self->write, self->rows_told, published, err);
    if (status != WR_OK)
        return status;
    if (can && self->rows_skip > 0) {
        if (self->undo.back != self->rows_seen)
            return wr_sqlite_is_older(sink->name, self->rows_seen, self->undo.back, err);
        self->undo.is_due = 1;
        self->rows_skip = 0;
    } else if (sink->varies) { /* nothing was kept */
        self->rows_seen += self->rows_skip;
        self->rows_skip = 0;
    }
    self->base.passes_over = self->rows_skip > 0;
    return WR_OK;
}

/* Rows of before, which a state that begins replaces by their keys, are told. */
static int look_for_rows(const struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sqlite_target *target = &self->config->target;
    const char *path = self->config->path;
    sqlite3_stmt *row = NULL;
    struct wr_buf sql;
    if (self->write.saved || target->mode != WR_TABLE_UPSERT || !self->write.stands)
        return WR_OK;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select 1 from ");
    wr_sql_add_name(&sql, target->table);
    wr_buf_add_text(&sql, " limit 1");
    int status = sql.status != WR_OK
                     ? wr_error_set(err, WR_ENOMEM, "sqlite:%s: out of memory", path)
                     : wr_sqlite_prepare(self->shared->db, path, sql.bytes, &row, err);
    wr_buf_release(&sql);
    if (status != WR_OK)
        return status;
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        wr_table_tell_there(&self->base);
    else if (code != SQLITE_DONE)
        status = wr_sqlite_failed(self->shared->db, path, "read", err);
    sqlite3_finalize(row);
    return status;
}

/* Only the run that holds a state writes to it, through its one connection (rule S1). */
static int into_state(const struct wr_sink *sink, struct wr_error *err) {
    const char *table = ((const struct wr_sqlite_config *)sink->config)->target.table;
    wr_error_set(err, WR_EREFUSED, "%s: this is the state file of a run", sink->name);
    wr_error_code(err, "W403");
    wr_error_help(err,
                  "a table in the state of its own run is `:write(\"state:%s\")`; else write "
                  "to another file",
                  table);
    return WR_EREFUSED;
}

/* A file that is gone would be made anew, with the rest of the rows. */
static int look_for_file(const struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    struct wr_file_info info;
    int exists = 1;
    if (self->rows_seen > 0) {
        int status = wr_file_look(sink->env, self->config->path, &info, &exists, err);
        if (status != WR_OK)
            return status;
    }
    if (exists)
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "%s: %" PRIu64 " rows of this state went into the file `%s`, and it is not there",
                 sink->name, self->rows_seen, self->config->path);
    wr_error_help(err, "put it back from a copy, or begin anew with another --state, which writes "
                       "all rows");
    return WR_ECORRUPT;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    const struct wr_sqlite_config *config = sink->config;
    self->config = config;
    wr_sqlite_write_init(&self->write, sink, &config->target);
    self->write.type = &write_type;
    if (from != NULL) {
        uint64_t version = wr_reader_varint(from);
        sink->rows_written = wr_reader_varint(from);
        self->rows_seen = wr_reader_varint(from);
        self->id = wr_reader_u64(from);
        self->write.finished = (int)wr_reader_varint(from);
        if (from->failed || version != SAVE_VERSION)
            return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                                sink->name);
        self->write.saved = 1;
    } else if (sink->store != NULL) { /* SQLite's integers have a sign */
        self->id = wr_sink_token(sink) >> 1;
    }
    if (wr_sqlite_is_state(sink->env, config->path))
        return into_state(sink, err);
    int status = look_for_file(self, err);
    if (status == WR_OK)
        status = wr_sqlite_shared_open(&self->shared, sink, config->path, &config->retry, err);
    if (status != WR_OK)
        return status;
    status = wr_sqlite_write_open(&self->write, self->shared->db, config->path, err);
    self->rows_told = self->rows_seen;
    self->keeps = sink->store != NULL && sink->varies;
    if (self->keeps && config->target.key_count > 0)
        wr_touched_init(&self->touched, sink->budget, sink->schema, config->target.key,
                        config->target.key_count, self->id);
    self->undo.id = self->id;
    self->undo.gone_table = self->write.gone.schema == NULL ? NULL : config->target.gone;
    if (status == WR_OK && sink->store != NULL)
        status = look_back(self, err);
    if (status == WR_OK && sink->store != NULL)
        status = look_for_rows(self, err);
    status = wr_sqlite_shared_outcome(self->shared, status, err);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* The file keeps it too, until the state knows of the reject: see `pass_over`. */
static int refuse(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t row,
                  const char *detail, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
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
static int pass_over(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t row,
                     struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
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

static int comes(struct wr_sqlite_write *write) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
    int is_there = self->rows_skip > 0;
    self->rows_seen++;
    self->rows_skip -= (uint64_t)is_there;
    return is_there;
}

/* Whether rows of a table without a key can be taken back. */
static int look_at_rows(struct sqlite_sink *self, struct wr_error *err) {
    char why[WR_SQLITE_WHY_MAX], trigger[WR_SQLITE_WHY_MAX];
    int status = wr_sqlite_undo_rows_look(&self->undo.rows, &self->write.table, why, trigger, err);
    if (status != WR_OK)
        return status;
    self->keeps = why[0] == 0;
    wr_table_tell_undo(&self->base, why, trigger);
    return WR_OK;
}

/* Takes back what the state does not know of, and keeps from now on what keys had, or which rows
 * are new. */
static int take(struct wr_sqlite_write *write, int is_new, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
    int is_due = self->undo.is_due, status = WR_OK, by_rows = write->table.key_count == 0;
    if (self->keeps && by_rows)
        status = look_at_rows(self, err);
    if (status == WR_OK)
        status = wr_sqlite_undo_take(&self->undo, &write->table, is_new, self->keeps, err);
    write->tells_rows = status == WR_OK && self->keeps && by_rows;
    if (status == WR_OK)
        wr_table_tell_changed(&self->base, self->undo.back_count, self->undo.left_count);
    if (status == WR_OK && is_due && self->has_refused)
        status = wr_sqlite_refused_drop(self->shared->db, self->config->path, self->id,
                                        self->rows_seen, err);
    return status;
}

/* What the key of the `i`-th row has before it is written, where it is the first one. */
static int keep(struct wr_sqlite_write *write, const struct wr_batch *batch, uint32_t i,
                int removes, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
    uint32_t row = wr_batch_row(batch, i);
    if (!self->keeps || write->tells_rows || wr_touched_was(&self->touched, i, removes))
        return WR_OK;
    wr_touched_mark(&self->touched, i, removes);
    int status = wr_sqlite_write_bind_key(write, self->undo.note, batch, row, err);
    if (status == WR_OK)
        status = wr_sqlite_undo_keep(&self->undo, &write->table, removes, err);
    if (status != WR_OK)
        wr_sqlite_shared_break(self->shared);
    return status;
}

static int wrote(struct wr_sqlite_write *write, int64_t rowid, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)write->sink;
    int status = wr_sqlite_undo_wrote(&self->undo, &write->table, rowid, err);
    if (status != WR_OK)
        wr_sqlite_shared_break(self->shared);
    return status;
}

static void fail(struct wr_sqlite_write *write) {
    wr_sqlite_shared_break(((struct sqlite_sink *)write->sink)->shared);
}

static const struct wr_sqlite_write_type write_type = {
    .comes = comes,
    .pass_over = pass_over,
    .made = take,
    .keep = keep,
    .wrote = wrote,
    .refuse = refuse,
    .fail = fail,
};

/* In the transaction; another instance may have written to the file since the last one. */
static int enter(struct sqlite_sink *self, struct wr_error *err) {
    const struct wr_sqlite_config *config = self->config;
    if (self->is_in)
        return WR_OK;
    int status = wr_sqlite_shared_enter(self->shared, err);
    if (status != WR_OK)
        return status;
    self->is_in = 1;
    if (self->base.store != NULL)
        status = wr_sqlite_commit_check(self->shared->db, config->path, config->target.table,
                                        self->id, self->rows_told, err);
    if (status == WR_OK && self->undo.note != NULL)
        status = wr_sqlite_undo_check(&self->undo, &self->write.table, err);
    if (status != WR_OK)
        wr_sqlite_shared_break(self->shared);
    return status;
}

/* … and the table is there. */
static int enter_table(struct sqlite_sink *self, struct wr_error *err) {
    int status = enter(self, err);
    if (status != WR_OK || self->write.is_ready || self->write.finished)
        return status;
    status = wr_sqlite_write_ready(&self->write, err);
    if (status != WR_OK)
        wr_sqlite_shared_break(self->shared);
    return status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    WR_ASSERT(self->is_begun);
    if (self->write.finished)
        return wr_error_set(err, WR_EEXIST, "%s: it was complete already, and more rows come",
                            sink->name);
    if (self->shared->broken)
        return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", sink->name);
    wr_sqlite_shared_serve(self->shared, sink);
    int status = enter_table(self, err);
    if (status != WR_OK)
        return wr_sqlite_shared_outcome(self->shared, status, err);
    int by_key = self->keeps && !self->write.tells_rows;
    status = by_key ? wr_touched_look(&self->touched, batch) : WR_OK;
    if (status != WR_OK)
        return wr_error_set(err, status, "%s: out of memory", sink->name);
    status = wr_sqlite_write_batch(&self->write, batch, err);
    if (by_key) /* its parameters point into the batch */
        sqlite3_clear_bindings(self->undo.note);
    return wr_sqlite_shared_outcome(self->shared, status, err);
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    (void)epoch;
    WR_ASSERT(!self->is_begun);
    int status = wr_sqlite_shared_begin(self->shared, err);
    if (status != WR_OK)
        return status;
    self->is_begun = 1;
    self->rows_safe = self->rows_seen;
    wr_sqlite_undo_begin(&self->undo);
    if (self->keeps && self->config->target.key_count > 0)
        wr_touched_forget(&self->touched);
    return WR_OK;
}

/* The first commit has the table, also where no row came, and what an instance before had written
 * that the state does not know of is taken back. */
static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    (void)epoch;
    if (self->shared->broken)
        return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", sink->name);
    wr_table_tell_left_out(sink);
    if (self->write.is_ready || self->write.finished)
        return WR_OK;
    wr_sqlite_shared_serve(self->shared, sink);
    return wr_sqlite_shared_outcome(self->shared, enter_table(self, err), err);
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    const struct wr_sqlite_config *config = self->config;
    (void)epoch;
    WR_ASSERT(self->is_begun);
    wr_sqlite_shared_serve(self->shared, sink);
    if (sink->store != NULL && self->is_in && !self->shared->broken) {
        /* Rows that come once more are in the file until the last of them has come. */
        uint64_t rows = self->rows_seen + self->rows_skip;
        int status = wr_sqlite_commit_write(self->shared->db, config->path, config->target.table,
                                            self->id, rows, err);
        self->rows_told = rows;
        if (status == WR_OK && self->undo.note != NULL)
            status =
                wr_sqlite_undo_say(&self->undo, &self->write.table, self->rows_safe, rows, err);
        if (status == WR_OK && self->has_refused)
            status = wr_sqlite_refused_forget(self->shared->db, config->path, self->id,
                                              self->rows_safe, err);
        if (status != WR_OK) {
            wr_sqlite_shared_break(self->shared);
            return wr_sqlite_shared_outcome(self->shared, status, err);
        }
    }
    self->is_begun = self->is_in = 0;
    return wr_sqlite_shared_outcome(self->shared, wr_sqlite_shared_commit(self->shared, err), err);
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, sink->rows_written);
    wr_buf_add_varint(out, self->rows_seen);
    wr_buf_add_u64(out, self->id);
    wr_buf_add_varint(out, (uint64_t)self->write.finished);
    if (out->status == WR_OK)
        self->write.saved = 1;
    return out->status;
}

static void drop_statements(struct sqlite_sink *self) {
    wr_sqlite_write_drop_statements(&self->write);
    wr_sqlite_undo_release(&self->undo);
}

/* An epoch that has begun, for rows that did not come, ends here too. */
static int finish(struct sqlite_sink *self, struct wr_error *err) {
    struct wr_sqlite_write *write = &self->write;
    int publishes = write->is_beside && !write->finished;
    int is_ready = write->is_ready, status = WR_OK;
    if (publishes)
        drop_statements(self);
    if (publishes && !self->is_begun) {
        status = wr_sqlite_shared_begin(self->shared, err);
        if (status != WR_OK)
            return status;
        self->is_begun = 1;
    }
    int ends = self->is_begun && !write->finished && self->undo.exists;
    if (publishes || ends || (self->is_begun && self->has_refused))
        status = enter(self, err);
    if (status == WR_OK && publishes && !is_ready &&
        !write->saved) { /* no row ever came: an empty table */
        status = wr_sqlite_write_ready(write, err);
        drop_statements(self);
    }
    if (status == WR_OK && self->is_begun && !write->finished)
        status = wr_sqlite_undo_end(&self->undo, &write->table, err);
    if (publishes && status == WR_OK)
        status = wr_sqlite_write_publish(write, err);
    if (publishes && status == WR_OK && self->base.store != NULL)
        status = wr_sqlite_commit_publish(self->shared->db, self->config->path, self->id, err);
    if (status == WR_OK && self->has_refused && self->is_begun)
        status = wr_sqlite_refused_forget(self->shared->db, self->config->path, self->id,
                                          self->rows_seen, err);
    if (status != WR_OK) {
        wr_sqlite_shared_break(self->shared);
        return status;
    }
    if (self->is_begun)
        status = wr_sqlite_shared_commit(self->shared, err);
    self->is_begun = self->is_in = 0;
    write->finished = status == WR_OK;
    return status;
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    wr_sqlite_shared_serve(self->shared, sink);
    return wr_sqlite_shared_outcome(self->shared, finish(self, err), err);
}

static void sink_close(struct wr_sink *sink) {
    struct sqlite_sink *self = (struct sqlite_sink *)sink;
    struct wr_sqlite_write *write = &self->write;
    drop_statements(self);
    wr_sqlite_write_close(write);
    if (self->shared != NULL) {
        int unfinished = write->is_beside && write->has_made && !write->finished && !write->saved;
        if (unfinished && write->db != NULL && !self->is_begun && !self->shared->broken &&
            self->shared->begun_count == 0)
            wr_sqlite_write_drop_beside(write, NULL);
        wr_sqlite_shared_close(self->shared, self->is_begun);
    }
    self->shared = NULL;
    self->is_begun = self->is_in = 0;
    wr_touched_release(&self->touched);
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
