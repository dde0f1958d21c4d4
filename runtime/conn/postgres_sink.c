/* postgres_sink.c: rows into a table of a PostgreSQL database, one transaction an epoch, which
 * begins with the first of them (postgres_session.h).
 *
 *   append   copy
 *   upsert   insert, or update the row of the same key; in a changelog a row taken back deletes it,
 *            also one from before the run, where the change comes here: those that come to nothing
 *            within one batch do not
 *   replace  into a table beside, `weir_new_NAME`, which takes the place of the old one at finish
 *
 * Where an audit holds them, rows of all modes go into the table beside, and from there to their
 * place at finish, in one transaction (postgres_publish.h); keys that were taken back stand in
 * `weir_del_NAME` until then. An audit that fails leaves both for looking at.
 *
 * With a state, each commit also says in the table `weir_commit` how many rows the sink has seen
 * (postgres_session.h). The database commits before the state does; after a crash between the two
 * the rows come again, since a pipeline that is repeatable gives the same rows, and as many as the
 * database has already are passed over; where it may give others (wr_sink.varies) all are written,
 * when what the state does not know of has been taken back (postgres_undo.h): or some twice, in
 * tables of which it cannot be. A state that is further behind, or ahead, is not the one that wrote
 * this table, and refused.
 *
 * Without a state all rows of a run are one transaction: all or none of them are there.
 *
 * A row that the server refuses leaves as a reject (W509) and the others go on. */
#include "conn/connectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/postgres_bind.h"
#include "conn/postgres_publish.h"
#include "conn/postgres_type.h"
#include "conn/postgres_undo_rows.h"
#include "conn/postgres_write.h"
#include "conn/table_sink.h"

#include "base/banned.h"

#define SAVE_VERSION 1
/* Of the table: not there yet, made in the transaction that is under way, or there. */
enum ready { READY_NOT, READY_NOW, READY };

struct postgres_sink {
    struct wr_sink base;
    const struct wr_postgres_target *config;
    struct wr_postgres_session *session;
    struct wr_postgres_writer writer;
    struct wr_postgres_table table; /* the one that is filled */
    enum ready ready;
    int is_beside; /* rows go into the table beside, until finish */
    int saved, finished;
    int must_take;      /* its row in `weir_commit` is still of an instance before */
    int publishes;      /* it has, in its last transaction */
    uint64_t epoch;     /* the one that has begun */
    uint64_t rows_seen; /* rows that came, written or refused */
    uint64_t rows_skip; /* of the coming ones: their epoch is in the table, and not in the state */
    struct wr_postgres_refused
        again;                 /* among those, in order: refused, and to be refused again … */
    struct wr_reader again_at; /* … from here on */
    struct wr_postgres_undo undo;
    uint64_t left_out; /* rows that the table did not take when they were published */
    int ends_keeping;  /* in its last transaction what was kept is removed */
};

/* ---- opening ------------------------------------------------------------------------------- */

static void sink_close(struct wr_sink *sink);
static int make_again(struct wr_postgres_user *user, struct wr_error *err);

static int read_saved(struct postgres_sink *self, struct wr_reader *from, struct wr_error *err) {
    struct wr_postgres_user *user = &self->writer.user;
    uint64_t version = wr_reader_varint(from);
    self->base.rows_written = wr_reader_varint(from);
    self->rows_seen = wr_reader_varint(from);
    self->epoch = wr_reader_varint(from);
    user->id = wr_reader_u64(from);
    self->saved = 1;
    if (from->failed || version != SAVE_VERSION)
        return wr_error_set(err, WR_ECORRUPT, "%s: what the state says of it is damaged",
                            self->base.name);
    return WR_OK;
}

/* The table must have what the state says, and at most one epoch more. */
static int check_found(struct postgres_sink *self, const struct wr_postgres_found *found,
                       struct wr_error *err) {
    const char *name = self->base.name;
    if (!found->exists || found->rows < self->rows_seen) {
        wr_error_set(err, WR_ECORRUPT,
                     "%s: by the state %" PRIu64 " rows went into it, by `weir_commit` %" PRIu64,
                     name, self->rows_seen, found->rows);
        wr_error_help(err, "it is another database, or an older copy of it: begin with a new "
                           "state");
        return WR_ECORRUPT;
    }
    if (found->epoch <= self->epoch + 1)
        return WR_OK;
    wr_error_set(err, WR_ECORRUPT,
                 "%s: this state directory is older than the table: it is at checkpoint %" PRIu64
                 ", `weir_commit` at %" PRIu64,
                 name, self->epoch, found->epoch);
    wr_error_help(err, "it is an old copy: go on with the state that wrote the table, or begin "
                       "with a new state and another table");
    return WR_ECORRUPT;
}

/* What the database has that the state does not know of, by a row of `weir_commit`. */
static int look_back(struct postgres_sink *self, const struct wr_postgres_found *found,
                     struct wr_error *err) {
    struct wr_postgres_user *user = &self->writer.user;
    int status = check_found(self, found, err);
    if (status == WR_OK)
        status = wr_postgres_final(
            wr_postgres_undo_find(&self->undo, wr_postgres_session_place(self->session),
                                  wr_postgres_session_connection(self->session), user, err),
            err);
    if (status == WR_OK && self->base.differs && !self->undo.exists &&
        found->rows > self->rows_seen)
        status = wr_table_is_ahead(self->base.name, found->rows - self->rows_seen, err);
    self->finished = found->finished;
    user->rows = found->rows;
    user->epoch = found->epoch;
    user->finished = found->finished;
    return status;
}

/* When all sinks have looked at what they find: from now on no other instance writes. The one
 * before may have done so meanwhile. */
static int take_over(struct postgres_sink *self, struct wr_error *err) {
    struct wr_postgres_user *user = &self->writer.user;
    struct wr_postgres_found found;
    int status = wr_postgres_session_take(self->session, user, &found, err);
    if (status == WR_OK)
        status = look_back(self, &found, err);
    if (status != WR_OK)
        return status;
    self->must_take = 0;
    self->undo.is_due = self->undo.exists && found.rows > self->rows_seen;
    if (self->undo.is_due)
        self->rows_seen = found.rows + 1; /* no commit of before says the same */
    else if (self->base.varies)
        self->rows_seen = found.rows;
    self->rows_skip = self->undo.is_due ? 0 : found.rows - self->rows_seen;
    self->base.passes_over = self->rows_skip > 0;
    user->rows_safe = self->rows_seen;
    return wr_postgres_final(wr_postgres_refused_read(wr_postgres_session_place(self->session),
                                                      wr_postgres_session_connection(self->session),
                                                      user, &self->again, err),
                             err);
}

/* Looks at the table of the script's name: errors come before any row does. */
static int look(struct postgres_sink *self, struct wr_error *err) {
    self->table.name = self->config->table;
    int status = wr_postgres_table_look(&self->table, self->config->mode != WR_TABLE_REPLACE, err);
    uint64_t rows = self->saved && !self->finished ? self->writer.user.rows : 0;
    if (self->is_beside) {
        self->table.name = self->config->beside;
        if (status == WR_OK && rows > 0)
            status = wr_postgres_table_look(&self->table, 0, err);
    }
    if (status == WR_OK && rows > 0 && !self->table.exists)
        status =
            wr_table_is_gone(self->base.name, self->table.name.table, self->is_beside, rows, err);
    return wr_postgres_final(status, err);
}

/* Rows of before, which a state that begins replaces by their keys, are told. Who may not read the
 * table is told nothing; what else fails here does so in the first statement. */
static void look_for_rows(const struct postgres_sink *self) {
    const struct wr_postgres_target *config = self->config;
    PGresult *rows = NULL;
    struct wr_buf sql;
    if (self->saved || config->mode != WR_TABLE_UPSERT || !self->table.exists)
        return;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select count(*) from (select 1 from ");
    wr_postgres_add_table(&sql, &config->table);
    wr_buf_add_text(&sql, " limit 1) as weir_rows");
    if (sql.status == WR_OK && wr_postgres_ask(self->table.postgres, self->table.connection,
                                               sql.bytes, NULL, 0, &rows, NULL) == WR_OK) {
        if (strcmp(wr_pq()->PQgetvalue(rows, 0, 0), "0") != 0)
            wr_table_tell_there(&self->base);
        wr_pq()->PQclear(rows);
    }
    wr_buf_release(&sql);
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    const struct wr_postgres_target *config = sink->config;
    struct wr_postgres_user *user = &self->writer.user;
    self->config = config;
    self->is_beside = config->mode == WR_TABLE_REPLACE || sink->held;
    sink->shown = self->is_beside ? WR_SHOWN_AT_FINISH : WR_SHOWN_AT_COMMIT;
    wr_postgres_refused_init(&self->again);
    sink->kept = sink->held ? config->beside.table : NULL;
    wr_postgres_writer_init(&self->writer, sink, &self->table);
    int status = from != NULL ? read_saved(self, from, err) : WR_OK;
    if (from == NULL && sink->store != NULL) /* the server's integers have a sign */
        user->id = sink->env->random_u64(sink->env) >> 1;
    user->again = make_again;
    user->has_state = sink->store != NULL;
    user->beside = &config->table;
    user->name = config->table.table;
    if (status == WR_OK)
        status =
            wr_postgres_session_open(&self->session, sink, &config->postgres, self->saved, err);
    if (status != WR_OK)
        return status;
    self->writer.session = self->session;
    self->undo.by_rows = config->key_count == 0;
    if (sink->store != NULL && sink->varies) {
        if (!self->undo.by_rows)
            wr_touched_init(&self->undo.touched, sink->budget, sink->schema, config->key,
                            config->key_count, user->id);
        self->writer.undo = &self->undo;
    }
    self->writer.gone = sink->held && config->gone_schema != NULL ? &config->gone : NULL;
    self->table = (struct wr_postgres_table){
        .postgres = wr_postgres_session_place(self->session),
        .connection = wr_postgres_session_connection(self->session),
        .schema = sink->schema,
        .key_count = config->key_count,
        .key = config->key,
        .casts = wr_alloc_zero(&wr_budget_control,
                               (sink->schema->field_count + 1) * sizeof *self->table.casts),
    };
    if (self->table.casts == NULL)
        status = wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name);
    if (status == WR_OK && self->saved && sink->store != NULL) {
        struct wr_postgres_found found;
        status = wr_postgres_session_look(self->session, user, &found, err);
        if (status == WR_OK)
            status = look_back(self, &found, err);
        self->must_take = 1;
    } else if (status == WR_OK && sink->store != NULL) {
        wr_postgres_undo_name(&self->undo, user);
    }
    if (status == WR_OK)
        status = look(self, err);
    if (status == WR_OK && sink->store != NULL)
        look_for_rows(self);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

/* The tables beside, of a run before. */
static int drop_beside(struct postgres_sink *self, struct wr_error *err) {
    const struct wr_postgres_target *config = self->config;
    PGconn *connection = self->table.connection;
    int status = wr_postgres_drop(wr_postgres_session_place(self->session), connection,
                                  &config->beside, err);
    return status == WR_OK && self->base.held
               ? wr_postgres_drop(wr_postgres_session_place(self->session), connection,
                                  &config->gone, err)
               : status;
}

static int make_gone(struct postgres_sink *self, struct wr_error *err) {
    struct wr_postgres_table gone = {
        .postgres = wr_postgres_session_place(self->session),
        .connection = self->table.connection,
        .name = self->config->gone,
        .schema = self->config->gone_schema,
        .casts = wr_alloc_zero(&wr_budget_control,
                               (self->config->gone_schema->field_count + 1) * sizeof *gone.casts),
    };
    if (gone.casts == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    int status = wr_postgres_table_look(&gone, 0, err);
    if (status == WR_OK && !gone.exists)
        status = wr_postgres_table_make(&gone, err);
    wr_postgres_table_release(&gone);
    return status;
}

/* Whether rows of a table without a key can be taken back. */
static int look_at_rows(struct postgres_sink *self, struct wr_error *err) {
    char why[WR_POSTGRES_WHY_MAX], trigger[WR_POSTGRES_WHY_MAX];
    if (self->writer.undo == NULL || !self->undo.by_rows)
        return WR_OK;
    int status = wr_postgres_undo_rows_look(&self->table, why, trigger, err);
    if (status != WR_OK)
        return status;
    if (why[0] != 0)
        self->writer.undo = NULL;
    wr_table_tell_undo(&self->base, why, trigger);
    return WR_OK;
}

/* Takes back what the state does not know of, and what leads back is kept from now on. */
static int take(struct postgres_sink *self, int is_new, struct wr_error *err) {
    int status = look_at_rows(self, err);
    if (status != WR_OK || (!self->undo.exists && self->writer.undo == NULL))
        return status;
    status =
        wr_postgres_undo_take(&self->undo, &self->table, is_new, self->writer.undo != NULL, err);
    if (status == WR_OK)
        wr_table_tell_changed(&self->base, self->undo.back_count, self->undo.left_count);
    return status;
}

/* Within the first transaction, so that a run that fails leaves no empty table. */
static int make_ready(struct wr_postgres_user *user, struct wr_error *err) {
    struct postgres_sink *self = user->sink;
    struct wr_postgres_table *table = &self->table;
    int status = WR_OK;
    table->connection = wr_postgres_session_connection(self->session);
    if (self->is_beside && !self->saved)
        status = drop_beside(self, err);
    if (status == WR_OK)
        status = wr_postgres_table_look(table, 1, err);
    int is_new = !table->exists;
    if (status == WR_OK && is_new)
        status = wr_postgres_table_make(table, err);
    if (status == WR_OK)
        status = wr_postgres_table_key(table, err);
    if (status == WR_OK && is_new)
        status = wr_postgres_table_look(table, 1, err);
    if (status == WR_OK && self->writer.gone != NULL)
        status = make_gone(self, err);
    if (status == WR_OK)
        status = take(self, is_new, err);
    if (status == WR_OK)
        status = wr_postgres_writer_ready(&self->writer, err);
    if (status == WR_OK)
        self->ready = READY_NOW;
    return status;
}

/* In the transaction, and the table is there. */
static int enter(struct postgres_sink *self, struct wr_error *err) {
    struct wr_postgres_user *user = &self->writer.user;
    int status = wr_postgres_session_enter(self->session, user, err);
    if (status == WR_OK && self->ready == READY_NOT && !self->finished)
        status = wr_postgres_session_do(self->session, user, make_ready, err);
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static const char *lacks(const struct postgres_sink *self, const struct wr_batch *batch,
                         uint32_t row, int removes, char detail[WR_POSTGRES_DETAIL_MAX]) {
    const struct wr_schema *schema = batch->schema;
    uint32_t count = removes ? self->table.key_count : schema->field_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = removes ? self->table.key[i] : i;
        if (wr_postgres_lacks(&schema->fields[c], &batch->columns[c], row, detail))
            return detail;
    }
    return NULL;
}

/* A row that comes once more, and is in the table; or was refused, and is again. */
static int pass_over(struct postgres_sink *self, struct wr_batch *batch, uint32_t row) {
    self->rows_skip--;
    const char *detail = wr_postgres_refused_find(&self->again, self->rows_seen, &self->again_at);
    if (detail != NULL)
        return wr_table_refuse(&self->base, batch, row, detail);
    self->base.rows_written++;
    return WR_OK;
}

/* Gathers the rows to be written; those that the server cannot hold are refused here. */
static int gather(struct postgres_sink *self, struct wr_batch *batch, uint32_t *count) {
    const int64_t *weight = self->table.key_count == 0 ? NULL : batch->weight;
    struct wr_postgres_row *rows = self->writer.rows;
    char detail[WR_POSTGRES_DETAIL_MAX];
    int status = WR_OK;
    for (uint32_t i = 0; i < batch->sel_count && status == WR_OK; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int removes = weight != NULL && weight[row] < 0;
        self->rows_seen++;
        if (self->rows_skip > 0) {
            status = pass_over(self, batch, row);
            continue;
        }
        /* An update comes as the old row and the new one: the new one overwrites it. */
        uint32_t next = i + 1 < batch->sel_count ? wr_batch_row(batch, i + 1) : row;
        if (removes && next != row && weight[next] > 0 &&
            wr_table_same_key(batch, self->table.key, self->table.key_count, row, next))
            continue;
        if (lacks(self, batch, row, removes, detail) != NULL)
            status = wr_postgres_writer_refuse(&self->writer, batch, row, self->rows_seen, detail);
        else
            rows[(*count)++] = (struct wr_postgres_row){
                .number = self->rows_seen, .row = row, .at = i, .removes = (uint8_t)removes};
    }
    return status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    uint32_t count = 0;
    WR_ASSERT(self->writer.user.is_begun || wr_postgres_session_is_broken(self->session));
    if (self->finished)
        return wr_error_set(err, WR_EEXIST, "%s: it was complete already, and more rows come",
                            sink->name);
    int status = enter(self, err);
    if (status == WR_OK)
        status = wr_postgres_writer_room(&self->writer, batch->sel_count, err);
    if (status == WR_OK && self->writer.undo != NULL && !self->undo.by_rows &&
        wr_touched_look(&self->undo.touched, batch) != WR_OK)
        status = wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name);
    if (status == WR_OK)
        status = gather(self, batch, &count);
    return status == WR_OK ? wr_postgres_writer_write(&self->writer, batch, count, err) : status;
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    int status = WR_OK;
    if (self->must_take)
        status = take_over(self, err);
    if (status != WR_OK)
        return status;
    if (self->ready == READY_NOW) {
        self->ready = READY; /* the transaction in which it was made is done */
        self->undo.is_due = 0;
        self->undo.exists = self->writer.undo != NULL;
    }
    self->epoch = epoch;
    if (!self->writer.user.is_begun) {
        self->writer.user.rows_safe = self->rows_seen;
        if (self->writer.undo != NULL)
            wr_postgres_undo_begin(&self->undo);
    }
    return wr_postgres_session_begin(self->session, &self->writer.user, err);
}

static int sink_check(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    (void)epoch;
    if (!self->writer.user.is_begun)
        return WR_OK;
    return wr_postgres_session_check(self->session, &self->writer.user, err);
}

/* The first commit has the table, also where no row came, and what an instance before had written
 * that the state does not know of is taken back. */
static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    (void)epoch;
    if (wr_postgres_session_is_broken(self->session))
        return wr_error_set(err, WR_EIO, "%s: an earlier error stopped all writing", sink->name);
    int status = WR_OK;
    if (self->ready == READY_NOT && !self->finished)
        status = enter(self, err);
    int came = self->rows_seen > self->writer.user.rows_safe;
    if (status == WR_OK && came)
        status = wr_postgres_writer_forget(&self->writer, err);
    if (status == WR_OK)
        status = wr_postgres_writer_flush(&self->writer, err);
    wr_table_tell_left_out(sink);
    return status;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    struct wr_postgres_user *user = &self->writer.user;
    /* Rows that come once more are in the table until the last of them has come. */
    user->rows = self->rows_seen + self->rows_skip;
    user->epoch = epoch;
    return wr_postgres_session_commit(self->session, user, err);
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, sink->rows_written);
    wr_buf_add_varint(out, self->rows_seen);
    wr_buf_add_varint(out, self->epoch);
    wr_buf_add_u64(out, self->writer.user.id);
    if (out->status == WR_OK)
        self->saved = 1;
    return out->status;
}

static int publish(struct wr_postgres_user *user, struct wr_error *err) {
    struct postgres_sink *self = user->sink;
    struct wr_postgres_publish what = {
        .beside = &self->table,
        .gone = self->writer.gone,
        .name = &self->config->table,
        .replaces = self->config->mode == WR_TABLE_REPLACE,
    };
    self->table.connection = wr_postgres_session_connection(self->session);
    return wr_postgres_publish(&what, self->table.connection, &self->left_out, err);
}

static int end_keeping(struct wr_postgres_user *user, struct wr_error *err) {
    struct postgres_sink *self = user->sink;
    self->table.connection = wr_postgres_session_connection(self->session);
    return wr_postgres_undo_drop(&self->undo, &self->table, err);
}

static int make_again(struct wr_postgres_user *user, struct wr_error *err) {
    struct postgres_sink *self = user->sink;
    int status = self->ready == READY_NOW ? make_ready(user, err) : WR_OK;
    if (status == WR_OK && self->ends_keeping)
        status = end_keeping(user, err);
    if (status == WR_OK && self->publishes)
        status = publish(user, err);
    return status;
}

/* An epoch that has begun, for rows that did not come, ends here too. */
static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    struct wr_postgres_user *user = &self->writer.user;
    int publishes = self->is_beside && !self->finished;
    int status = WR_OK;
    if (publishes && !user->is_begun)
        status = sink_begin(sink, self->epoch, err);
    int ends =
        self->writer.undo != NULL && user->is_begun && !self->finished && self->ready != READY_NOT;
    if (status == WR_OK && (publishes || ends || (user->is_begun && user->has_refused)))
        status = enter(self, err);
    if (status == WR_OK && ends)
        status = wr_postgres_session_do(self->session, user, end_keeping, err);
    self->ends_keeping = ends;
    if (status == WR_OK && publishes)
        status = wr_postgres_session_do(self->session, user, publish, err);
    if (status == WR_OK && user->is_begun) {
        /* Until the last sink commits the transaction may begin anew, and do it all again. */
        self->publishes = publishes;
        user->finished |= publishes;
        user->rows_safe = self->rows_seen;
        user->epoch = self->epoch; /* another one than that of the last rows */
        status = wr_postgres_session_commit(self->session, user, err);
    }
    self->finished = status == WR_OK;
    sink->left_out += publishes ? self->left_out : 0;
    sink->rows_written -= publishes ? WR_MIN(self->left_out, sink->rows_written) : 0;
    wr_table_tell_left_out(sink);
    return status;
}

static void sink_close(struct wr_sink *sink) {
    struct postgres_sink *self = (struct postgres_sink *)sink;
    if (self->session != NULL)
        wr_postgres_session_close(self->session, &self->writer.user);
    self->session = NULL;
    wr_postgres_refused_release(&self->again);
    wr_touched_release(&self->undo.touched);
    wr_postgres_writer_release(&self->writer);
    wr_postgres_table_release(&self->table);
}

const struct wr_sink_type wr_sink_postgres = {
    .name = "postgres",
    .size_bytes = sizeof(struct postgres_sink),
    .delivery = WR_DELIVERY_IDEMPOTENT,
    .flags = WR_SINK_KEYS | WR_SINK_REFUSES,
    .bind = wr_postgres_sink_bind,
    .open = sink_open,
    .begin = sink_begin,
    .write = sink_write,
    .check = sink_check,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .save = sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
