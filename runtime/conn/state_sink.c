/* state_sink.c: rows into a table of the state file itself, in the very transaction of their
 * checkpoint: both stand, or neither. So there is no row that says how far it is, no second file
 * and no second sync, and rows are there once whatever the pipeline gives when it runs again. What
 * the modes mean says sqlite_write.h; the connection is lent by the store (state/store.h).
 *
 * The transaction begins with the first row of an epoch, so that none is open behind a checkpoint,
 * when the file may be copied. A table beside (`replace`, `audit`) gets to its place in the
 * transaction of the last checkpoint, behind all audits and before that is written. */
#include "conn/connectors.h"

#include <sqlite3.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/sqlite_write.h"
#include "state/store.h"

#include "base/banned.h"

#define SAVE_VERSION 1

struct state_sink {
    struct wr_sink base;
    struct wr_sqlite_write write;
    int is_begun; /* in an epoch */
    int is_lent;  /* the connection is ours */
};

static const char *const own_options[] = {"mode", NULL};

static int wrong_name(const char *table, struct wr_error *err) {
    wr_error_script(err, "W203", "a table of the state file cannot be called `%s`: %s", table,
                    table[0] == 0 ? "it needs a name" : "that is a name of weir's own there");
    wr_error_help(err, "weir's own are `meta`, `part`, `piece`, `rows`, `spool`, and those that "
                       "begin with `weir_` or `sqlite_`");
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct wr_sqlite_target *target = WR_ARENA_ZEROS(bind->arena, struct wr_sqlite_target, 1);
    if (status == WR_OK && target == NULL)
        status = wr_error_set(err, WR_ENOMEM, "state: out of memory");
    if (status != WR_OK)
        return status;
    target->table = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    status = wr_options_check(&options, "state", own_options, wr_options_of_write, err);
    if (status == WR_OK && (target->table[0] == 0 || wr_store_owns_table(target->table)))
        status = wrong_name(target->table, err);
    if (status == WR_OK)
        status = wr_sqlite_target_bind(target, bind, &options, "state", err);
    if (status != WR_OK)
        return status;
    bind->config = target;
    bind->name = wr_endpoint_textf(bind->arena, "state:%s", target->table);
    return bind->name == NULL ? wr_error_set(err, WR_ENOMEM, "state: out of memory") : WR_OK;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int lend(struct state_sink *self, int writes, struct sqlite3 **db, struct wr_error *err) {
    int status = wr_store_lend(self->base.store, writes, db, err);
    self->is_lent = status == WR_OK;
    return status;
}

/* A mistake of the script harms nothing: the run ends, and the transaction with it. */
static int give_back(struct state_sink *self, int status) {
    if (self->is_lent)
        wr_store_take_back(self->base.store, status == WR_ESCRIPT ? WR_OK : status);
    self->is_lent = 0;
    return status;
}

/* Who takes rejects may want the store; meanwhile another thread's read of it may fail. */
static int refuse(struct wr_sqlite_write *write, struct wr_batch *batch, uint32_t row,
                  const char *detail, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)write->sink;
    struct sqlite3 *db;
    give_back(self, WR_OK);
    int status = wr_table_refuse(write->sink, batch, row, detail);
    int lent = lend(self, 1, &db, err);
    return lent != WR_OK ? lent : status;
}

/* The store hears of it when it takes the connection back. */
static void fail(struct wr_sqlite_write *write) {
    (void)write;
}

static const struct wr_sqlite_write_type write_type = {.refuse = refuse, .fail = fail};

/* Lends the connection within the transaction, and sees that the table is there. */
static int borrow(struct state_sink *self, struct wr_error *err) {
    struct sqlite3 *db;
    int status = lend(self, 1, &db, err);
    if (status != WR_OK)
        return status;
    if (!self->write.is_ready && !self->write.finished)
        status = wr_sqlite_write_ready(&self->write, err);
    return status == WR_OK ? WR_OK : give_back(self, status);
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    WR_ASSERT(self->is_begun);
    if (self->write.finished)
        return wr_error_set(err, WR_EEXIST, "%s: it was complete already, and more rows come",
                            sink->name);
    int status = borrow(self, err);
    return status == WR_OK ? give_back(self, wr_sqlite_write_batch(&self->write, batch, err))
                           : status;
}

/* ---- opening ------------------------------------------------------------------------------- */

static void sink_close(struct wr_sink *sink) {
    wr_sqlite_write_close(&((struct state_sink *)sink)->write);
}

static int without_state(const struct wr_sink *sink, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED, "%s is a table of the run's state file, and this run keeps none",
                 sink->name);
    wr_error_code(err, "W624");
    wr_error_help(err, "`weir run --state DIR`, or `weir.settings { state = \"DIR\" }`; a file of "
                       "its own is `\"sqlite:out.db\", { table = … }`");
    return WR_EREFUSED;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    if (sink->store == NULL)
        return without_state(sink, err);
    wr_sqlite_write_init(&self->write, sink, sink->config);
    self->write.type = &write_type;
    sink->shown = WR_SHOWN_BY_STATE;
    sink->unseen = (uint8_t)self->write.is_beside;
    if (from != NULL) {
        uint64_t version = wr_reader_varint(from);
        sink->rows_written = wr_reader_varint(from);
        self->write.finished = (int)wr_reader_varint(from);
        if (from->failed || version != SAVE_VERSION)
            return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                                sink->name);
        self->write.saved = 1;
    }
    struct sqlite3 *db;
    int status = lend(self, 0, &db, err);
    if (status != WR_OK)
        return status;
    /* A table that takes another's place may stand in views: they are not looked into. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 1, NULL);
    status = wr_sqlite_write_open(&self->write, db, sqlite3_db_filename(db, "main"), err);
    if (status == WR_OK) /* a table beside gets to its place in the transaction that says so */
        status = wr_sqlite_write_judge(&self->write, sink->rows_written, 0, err);
    status = give_back(self, status);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    (void)epoch, (void)err;
    WR_ASSERT(!self->is_begun);
    self->is_begun = 1;
    return WR_OK;
}

/* The first checkpoint has the table, also where no row came. */
static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    (void)epoch;
    wr_table_tell_left_out(sink);
    if (self->write.is_ready || self->write.finished)
        return WR_OK;
    int status = borrow(self, err);
    return status == WR_OK ? give_back(self, WR_OK) : status;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    (void)epoch, (void)err;
    self->is_begun = 0;
    return WR_OK;
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct state_sink *self = (struct state_sink *)sink;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, sink->rows_written);
    wr_buf_add_varint(out, (uint64_t)self->write.finished);
    if (out->status == WR_OK)
        self->write.saved = 1;
    return out->status;
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct state_sink *self = (struct state_sink *)sink;
    struct wr_sqlite_write *write = &self->write;
    if (!write->is_beside || write->finished)
        return WR_OK;
    int status = borrow(self, err);
    if (status != WR_OK)
        return status;
    wr_sqlite_write_drop_statements(write);
    status = wr_sqlite_write_publish(write, err);
    write->finished = status == WR_OK;
    return give_back(self, status);
}

const struct wr_sink_type wr_sink_state = {
    .name = "state",
    .size_bytes = sizeof(struct state_sink),
    .delivery = WR_DELIVERY_ATOMIC,
    .flags = WR_SINK_KEYS | WR_SINK_REFUSES,
    .bind = sink_bind,
    .open = sink_open,
    .begin = sink_begin,
    .write = sink_write,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .save = sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
