/* postgres_write.c: see postgres_write.h. */
#include "conn/postgres_write.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/postgres_send.h"
#include "conn/postgres_type.h"
#include "conn/table_sink.h"
#include "base/banned.h"

#define COPY_SIGNATURE "PGCOPY\n\377\r\n\0"
#define EMPTY UINT32_MAX
#define GATHERED_BYTES ((size_t)512 << 10)

static int no_memory(const struct wr_postgres_writer *writer, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", writer->sink->name);
}

/* ---- making pieces -------------------------------------------------------------------------- */

static int begin_arrays(struct wr_postgres_arrays *arrays, uint32_t column_count) {
    wr_buf_init(&arrays->bytes, &wr_budget_control, INT32_MAX);
    arrays->ends = wr_alloc_zero(&wr_budget_control, (column_count + 1) * sizeof *arrays->ends);
    return arrays->ends == NULL ? WR_ENOMEM : WR_OK;
}

static int is_last(const struct wr_postgres_writer *writer, uint32_t i) {
    return writer->table->key_count == 0 || writer->lasts[i];
}

/* Which of the three a row of a piece belongs to: 'i', 'r', 'n' (removed by a key with a nil). */
static char part_of(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                    uint32_t i) {
    const struct wr_postgres_table *table = writer->table;
    if (!writer->rows[i].removes)
        return 'i';
    for (uint32_t k = 0; k < table->key_count; k++)
        if (wr_column_is_nil(&batch->columns[table->key[k]], writer->rows[i].row))
            return 'n';
    return 'r';
}

/* One array of a column over the rows of a part. */
static void put_array(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                      uint32_t column, char part, uint32_t from, uint32_t to,
                      struct wr_postgres_arrays *arrays) {
    const struct wr_type *type = &batch->schema->fields[column].type;
    struct wr_buf *out = &arrays->bytes;
    wr_postgres_put_array(out, type, arrays->count);
    for (uint32_t i = from; i < to; i++)
        if (is_last(writer, i) && part_of(writer, batch, i) == part)
            wr_postgres_put(out, type, &batch->columns[column], writer->rows[i].row);
}

static int fill_arrays(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                       char part, uint32_t from, uint32_t to, struct wr_postgres_arrays *arrays) {
    const struct wr_postgres_table *table = writer->table;
    uint32_t column_count = part == 'i' ? table->schema->field_count : table->key_count;
    for (uint32_t i = from; i < to; i++)
        arrays->count += is_last(writer, i) && part_of(writer, batch, i) == part;
    if (arrays->count == 0)
        return WR_OK;
    if (begin_arrays(arrays, column_count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < column_count; c++) {
        put_array(writer, batch, part == 'i' ? c : table->key[c], part, from, to, arrays);
        arrays->ends[c] = arrays->bytes.length;
    }
    return arrays->bytes.status;
}

/* Whether what a row's key has is to be kept, in which of the two: 'k', or 'n' with a nil; 0. */
static char keep_of(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                    uint32_t i) {
    const struct wr_postgres_table *table = writer->table;
    const struct wr_postgres_row *row = &writer->rows[i];
    if (!is_last(writer, i) || wr_touched_was(&writer->undo->touched, row->at, row->removes))
        return 0;
    for (uint32_t k = 0; k < table->key_count; k++)
        if (wr_column_is_nil(&batch->columns[table->key[k]], row->row))
            return 'n';
    return 'k';
}

static int fill_keep(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                     char part, uint32_t from, uint32_t to, struct wr_postgres_arrays *arrays) {
    static const struct wr_type boolean = WR_TYPE(WR_BOOL);
    const struct wr_postgres_table *table = writer->table;
    struct wr_buf *out = &arrays->bytes;
    for (uint32_t i = from; i < to; i++)
        arrays->count += keep_of(writer, batch, i) == part;
    if (arrays->count == 0)
        return WR_OK;
    if (begin_arrays(arrays, table->key_count + 1) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < table->key_count; k++) {
        const struct wr_type *type = &batch->schema->fields[table->key[k]].type;
        wr_postgres_put_array(out, type, arrays->count);
        for (uint32_t i = from; i < to; i++)
            if (keep_of(writer, batch, i) == part)
                wr_postgres_put(out, type, &batch->columns[table->key[k]], writer->rows[i].row);
        arrays->ends[k] = out->length;
    }
    wr_postgres_put_array(out, &boolean, arrays->count);
    for (uint32_t i = from; i < to; i++)
        if (keep_of(writer, batch, i) == part) {
            wr_postgres_put32(out, 1);
            wr_buf_add_char(out, (char)writer->rows[i].removes);
        }
    arrays->ends[table->key_count] = out->length;
    return out->status;
}

/* A piece is written: what its keys had is kept. */
static void mark_kept(const struct wr_postgres_writer *writer, uint32_t from, uint32_t to) {
    struct wr_postgres_undo *undo = writer->undo;
    if (undo == NULL)
        return;
    undo->has_kept |= undo->by_rows;
    for (uint32_t i = from; i < to && !undo->by_rows; i++)
        if (is_last(writer, i)) {
            wr_touched_mark(&undo->touched, writer->rows[i].at, writer->rows[i].removes);
            undo->has_kept = 1;
        }
    undo->is_stale = 0;
}

static int begin_copy(struct wr_postgres_arrays *arrays) {
    struct wr_buf *out = &arrays->bytes;
    if (begin_arrays(arrays, 0) != WR_OK)
        return WR_ENOMEM;
    wr_buf_add(out, COPY_SIGNATURE, 11);
    wr_postgres_put32(out, 0); /* flags */
    wr_postgres_put32(out, 0); /* no more of a header */
    return out->status;
}

static int copy_rows(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                     uint32_t from, uint32_t to, struct wr_postgres_arrays *arrays) {
    const struct wr_schema *schema = batch->schema;
    struct wr_buf *out = &arrays->bytes;
    for (uint32_t i = from; i < to; i++) {
        wr_postgres_put16(out, (uint16_t)schema->field_count);
        for (uint32_t c = 0; c < schema->field_count; c++)
            wr_postgres_put(out, &schema->fields[c].type, &batch->columns[c], writer->rows[i].row);
    }
    arrays->count += to - from;
    return out->status;
}

static int end_copy(struct wr_postgres_arrays *arrays) {
    wr_postgres_put16(&arrays->bytes, UINT16_MAX);
    return arrays->bytes.status;
}

static uint64_t hash_of_key(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                            uint32_t row) {
    uint64_t hash = 0;
    for (uint32_t k = 0; k < writer->table->key_count; k++) {
        uint32_t c = writer->table->key[k];
        const struct wr_column *column = &batch->columns[c];
        enum wr_type_kind kind = batch->schema->fields[c].type.kind;
        uint64_t one = 1;
        if (wr_column_is_nil(column, row)) {
            one = 0;
        } else if (wr_type_is_text(kind)) {
            const struct wr_str *str = &WR_STR(column)[row];
            one = wr_hash_bytes(wr_str_bytes(str), str->length, 1);
        } else {
            uint32_t bytes = wr_type_bytes(kind);
            one = wr_hash_bytes((const char *)column->data + (size_t)row * bytes, bytes, 1);
        }
        hash = wr_hash_join(hash, one);
    }
    return hash;
}

/* Of the rows of a piece that have one key the last counts: a statement touches a row once. */
static void mark_lasts(struct wr_postgres_writer *writer, const struct wr_batch *batch,
                       uint32_t from, uint32_t to) {
    const struct wr_postgres_table *table = writer->table;
    uint32_t room = 2;
    while (room < 2 * (to - from))
        room *= 2;
    memset(writer->places, 0xff, room * sizeof *writer->places);
    for (uint32_t i = to; i-- > from;) {
        uint32_t at = (uint32_t)hash_of_key(writer, batch, writer->rows[i].row) & (room - 1);
        while (writer->places[at] != EMPTY &&
               !wr_table_same_key(batch, table->key, table->key_count,
                                  writer->rows[writer->places[at]].row, writer->rows[i].row))
            at = (at + 1) & (room - 1);
        writer->lasts[i] = writer->places[at] == EMPTY;
        if (writer->lasts[i])
            writer->places[at] = i;
    }
}

static struct wr_postgres_rows *new_piece(struct wr_postgres_writer *writer) {
    struct wr_postgres_rows *piece = wr_alloc_zero(&wr_budget_control, sizeof *piece);
    if (piece == NULL)
        return NULL;
    piece->base.user = &writer->user;
    piece->is_copy = writer->sql[WR_POSTGRES_COPY].length > 0;
    return piece;
}

/* What a piece does with what is kept beside its rows. */
static void note_kept(const struct wr_postgres_writer *writer, struct wr_postgres_rows *piece) {
    piece->empties = writer->undo != NULL && writer->undo->is_stale;
    piece->mark = writer->undo != NULL && writer->undo->by_rows ? piece->insert.count : 0;
}

static int make_piece(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t from,
                      uint32_t to, struct wr_postgres_rows **made) {
    struct wr_postgres_rows *piece = *made = new_piece(writer);
    const struct wr_postgres_undo *undo = writer->undo;
    if (piece == NULL)
        return WR_ENOMEM;
    int status, keeps = undo != NULL && !undo->by_rows;
    if (piece->is_copy) {
        status = begin_copy(&piece->insert);
        if (status == WR_OK)
            status = copy_rows(writer, batch, from, to, &piece->insert);
        if (status == WR_OK)
            status = end_copy(&piece->insert);
    } else {
        if (writer->table->key_count > 0)
            mark_lasts(writer, batch, from, to);
        status = fill_arrays(writer, batch, 'i', from, to, &piece->insert);
        if (status == WR_OK)
            status = fill_arrays(writer, batch, 'r', from, to, &piece->remove);
        if (status == WR_OK)
            status = fill_arrays(writer, batch, 'n', from, to, &piece->remove_nil);
        if (status == WR_OK && keeps)
            status = fill_keep(writer, batch, 'k', from, to, &piece->keep);
        if (status == WR_OK && keeps)
            status = fill_keep(writer, batch, 'n', from, to, &piece->keep_nil);
    }
    note_kept(writer, piece);
    piece->base.bytes = sizeof *piece + piece->insert.bytes.room + piece->remove.bytes.room +
                        piece->remove_nil.bytes.room + piece->keep.bytes.room +
                        piece->keep_nil.bytes.room;
    return status;
}

/* What was in a piece, should some of it be written anew. */
static int save_rows(const struct wr_postgres_writer *writer, const struct wr_batch *batch,
                     uint32_t from, uint32_t to, struct wr_postgres_rows *piece) {
    uint32_t count = to - from;
    struct wr_batch some = wr_batch_look(batch);
    uint32_t *sel = wr_alloc(&wr_budget_control, count * sizeof *sel);
    piece->rows = wr_alloc(&wr_budget_control, count * sizeof *piece->rows);
    int status = sel == NULL || piece->rows == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        sel[i] = writer->rows[from + i].row;
        piece->rows[i] = writer->rows[from + i];
    }
    some.sel = sel;
    some.sel_count = count;
    wr_buf_init(&piece->saved, &wr_budget_control, 0);
    if (status == WR_OK)
        status = wr_batch_save(&some, &piece->saved);
    piece->row_count = count;
    piece->base.has_rows = 1;
    piece->base.bytes += piece->saved.room + count * sizeof *piece->rows;
    wr_free(&wr_budget_control, sel);
    return status;
}

int wr_postgres_writer_refuse(struct wr_postgres_writer *writer, struct wr_batch *batch,
                              uint32_t row, uint64_t number, const char *detail) {
    if (writer->user.aside != NULL)
        return wr_postgres_refused_add(writer->user.aside, number, detail);
    int status = writer->user.has_state && writer->undo == NULL
                     ? wr_postgres_refused_add(&writer->user.refused, number, detail)
                     : WR_OK;
    return status == WR_OK ? wr_table_refuse(writer->sink, batch, row, detail) : status;
}

/* A piece is written; of its rows some are counted. */
static void count_left_out(struct wr_postgres_writer *writer) {
    struct wr_sink *sink = writer->sink;
    sink->left_out += writer->left_out;
    if (writer->undo != NULL)
        writer->undo->left_out += writer->left_out;
    sink->rows_written -= WR_MIN(writer->left_out, sink->rows_written);
    writer->left_out = 0;
}

static int write_some(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t from,
                      uint32_t to, struct wr_error *err) {
    struct wr_error own, *error = err != NULL ? err : &own;
    struct wr_postgres_rows *piece = NULL;
    int status = make_piece(writer, batch, from, to, &piece);
    if (status == WR_OK && writer->undo == NULL && wr_postgres_session_is_deferred(writer->session))
        status = save_rows(writer, batch, from, to, piece);
    if (status == WR_OK) {
        status = wr_postgres_session_write(writer->session, &piece->base, error);
        if (status == WR_OK) {
            writer->sink->rows_written += to - from;
            count_left_out(writer);
            mark_kept(writer, from, to);
            return WR_OK;
        }
    } else if (status == WR_ENOMEM) {
        no_memory(writer, error);
    }
    if (piece != NULL)
        wr_postgres_rows_free(&piece->base);
    int halves = status == WR_EBADROW || status == WR_ELIMIT; /* ELIMIT: more than 2 GB */
    if (halves && to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        status = write_some(writer, batch, from, middle, err);
        return status == WR_OK ? write_some(writer, batch, middle, to, err) : status;
    }
    if (status == WR_EBADROW || status == WR_ELIMIT)
        return wr_postgres_writer_refuse(writer, batch, writer->rows[from].row,
                                         writer->rows[from].number,
                                         status == WR_ELIMIT ? "the row is too long" : error->text);
    return status;
}

/* A piece without rows. */
static int write_own(struct wr_postgres_writer *writer, int empties, int64_t mark,
                     struct wr_error *err) {
    struct wr_postgres_rows *piece = new_piece(writer);
    if (piece == NULL)
        return no_memory(writer, err);
    piece->is_copy = 0;
    piece->empties = empties;
    piece->mark = mark;
    piece->base.bytes = sizeof *piece;
    int status = wr_postgres_session_write(writer->session, &piece->base, err);
    if (status != WR_OK)
        wr_postgres_rows_free(&piece->base);
    return status;
}

int wr_postgres_writer_forget(struct wr_postgres_writer *writer, struct wr_error *err) {
    if (writer->undo == NULL || !writer->undo->is_stale)
        return WR_OK;
    int status = write_own(writer, 1, 0, err);
    writer->undo->is_stale = status != WR_OK;
    return status;
}

static int flush_gathered(struct wr_postgres_writer *writer, struct wr_error *err) {
    struct wr_postgres_rows *piece = (struct wr_postgres_rows *)writer->gathered;
    if (piece == NULL)
        return WR_OK;
    writer->gathered = NULL;
    note_kept(writer, piece);
    int status = end_copy(&piece->insert);
    if (status != WR_OK)
        no_memory(writer, err);
    piece->base.bytes = sizeof *piece + piece->insert.bytes.room;
    if (status == WR_OK)
        status = wr_postgres_session_write(writer->session, &piece->base, err);
    if (status == WR_OK) {
        count_left_out(writer);
        mark_kept(writer, 0, 0);
        return WR_OK;
    }
    wr_postgres_rows_free(&piece->base);
    if (status != WR_EBADROW)
        return status;
    /* Somebody has changed the table since it was looked at. */
    wr_error_add(err, WR_EREFUSED, "%s: a row was refused by a table that refused none before",
                 writer->sink->name);
    return WR_EREFUSED;
}

int wr_postgres_writer_flush(struct wr_postgres_writer *writer, struct wr_error *err) {
    struct wr_postgres_undo *undo = writer->undo;
    int status = flush_gathered(writer, err);
    if (status != WR_OK || undo == NULL || !undo->by_rows || undo->left_out == 0)
        return status;
    status = write_own(writer, 0, -(int64_t)undo->left_out, err);
    undo->left_out = 0;
    return status;
}

static int gather(struct wr_postgres_writer *writer, struct wr_batch *batch, uint32_t count,
                  struct wr_error *err) {
    int status = WR_OK;
    if (writer->gathered == NULL) {
        struct wr_postgres_rows *piece = new_piece(writer);
        if (piece == NULL)
            return no_memory(writer, err);
        writer->gathered = &piece->base;
        status = begin_copy(&piece->insert);
    }
    struct wr_postgres_rows *piece = (struct wr_postgres_rows *)writer->gathered;
    if (status == WR_OK)
        status = copy_rows(writer, batch, 0, count, &piece->insert);
    if (status != WR_OK)
        return no_memory(writer, err);
    writer->sink->rows_written += count;
    return piece->insert.bytes.length < GATHERED_BYTES ? WR_OK : flush_gathered(writer, err);
}

int wr_postgres_writer_write(struct wr_postgres_writer *writer, struct wr_batch *batch,
                             uint32_t count, struct wr_error *err) {
    if (count > 0 && writer->gathers)
        return gather(writer, batch, count, err);
    int status = count == 0 ? WR_OK : write_some(writer, batch, 0, count, err);
    if (status == WR_OK && err != NULL)
        err->status = WR_OK; /* of pieces that were tried and refused */
    return status;
}

/* ---- pieces that are written anew ----------------------------------------------------------- */

/* Its rows that are in the list, or with `others` those that are not, as rows of the batch that
 * comes back from its bytes: how many. */
static uint32_t choose(struct wr_postgres_row *out, const struct wr_postgres_rows *piece,
                       const struct wr_postgres_refused *list, int others) {
    struct wr_reader at = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < piece->row_count; i++) {
        const char *detail = wr_postgres_refused_find(list, piece->rows[i].number, &at);
        if ((detail == NULL) != (others != 0))
            continue;
        out[count] = piece->rows[i];
        out[count++].row = i;
    }
    return count;
}

static int bring_back(struct wr_postgres_writer *writer, const struct wr_postgres_rows *piece,
                      struct wr_batch **batch, struct wr_error *err) {
    struct wr_reader in = {.bytes = piece->saved.bytes, .length = piece->saved.length};
    if (writer->pool.budget == NULL)
        wr_batch_pool_init(&writer->pool, &wr_budget_control);
    int status = wr_batch_load(&writer->pool, writer->sink->schema, &in, batch);
    return status == WR_OK
               ? WR_OK
               : wr_error_set(err, status, "%s: %s", writer->sink->name, wr_status_text(status));
}

static int write_anew(struct wr_postgres_user *user, struct wr_postgres_piece *base,
                      const struct wr_postgres_refused *list, int others, int *whole,
                      struct wr_error *err) {
    struct wr_postgres_writer *writer = (struct wr_postgres_writer *)user;
    const struct wr_postgres_rows *piece = (const struct wr_postgres_rows *)base;
    struct wr_batch *batch = NULL;
    int status = wr_postgres_writer_room(writer, piece->row_count, err);
    uint32_t count = status == WR_OK ? choose(writer->rows, piece, list, others) : 0;
    if (whole != NULL)
        *whole = others && count == piece->row_count;
    if (status != WR_OK || count == 0 || (whole != NULL && *whole))
        return status;
    status = bring_back(writer, piece, &batch, err);
    if (status == WR_OK)
        status = write_some(writer, batch, 0, count, err);
    wr_batch_unref(batch);
    return status;
}

static int refuse_some(struct wr_postgres_user *user, struct wr_postgres_piece *base,
                       const struct wr_postgres_refused *list, struct wr_error *err) {
    struct wr_postgres_writer *writer = (struct wr_postgres_writer *)user;
    const struct wr_postgres_rows *piece = (const struct wr_postgres_rows *)base;
    struct wr_batch *batch = NULL;
    struct wr_reader at = {0};
    int status = wr_postgres_writer_room(writer, piece->row_count, err);
    uint32_t count = status == WR_OK ? choose(writer->rows, piece, list, 0) : 0;
    if (count > 0)
        status = bring_back(writer, piece, &batch, err);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        uint64_t number = writer->rows[i].number;
        status = wr_postgres_writer_refuse(writer, batch, writer->rows[i].row, number,
                                           wr_postgres_refused_find(list, number, &at));
    }
    wr_batch_unref(batch);
    return status;
}

/* ---- the writer ----------------------------------------------------------------------------- */

void wr_postgres_writer_init(struct wr_postgres_writer *writer, struct wr_sink *sink,
                             struct wr_postgres_table *table) {
    writer->sink = sink;
    writer->table = table;
    writer->user.sink = sink;
    writer->user.send = wr_postgres_rows_send;
    writer->user.free_piece = wr_postgres_rows_free;
    writer->user.write_some = write_anew;
    writer->user.refuse_some = refuse_some;
    wr_postgres_refused_init(&writer->user.bad);
    wr_postgres_refused_init(&writer->user.tried);
    wr_postgres_refused_init(&writer->user.refused);
    for (int s = 0; s < WR_POSTGRES_STATEMENTS; s++)
        wr_buf_init(&writer->sql[s], &wr_budget_control, 0);
}

void wr_postgres_writer_release(struct wr_postgres_writer *writer) {
    for (int s = 0; s < WR_POSTGRES_STATEMENTS; s++)
        wr_buf_release(&writer->sql[s]);
    wr_postgres_refused_release(&writer->user.refused);
    wr_postgres_refused_release(&writer->user.bad);
    wr_postgres_refused_release(&writer->user.tried);
    if (writer->pool.budget != NULL)
        wr_batch_pool_release(&writer->pool);
    if (writer->gathered != NULL)
        wr_postgres_rows_free(writer->gathered);
    writer->gathered = NULL;
    wr_free(&wr_budget_control, writer->rows);
    wr_free(&wr_budget_control, writer->places);
    wr_free(&wr_budget_control, writer->lasts);
    writer->rows = NULL;
    writer->places = NULL;
    writer->lasts = NULL;
    writer->row_room = 0;
}

/* JSON has values that jsonb has not (numbers without end, 0 characters). */
static int has_no_json(const struct wr_schema *schema) {
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (schema->fields[c].type.kind >= WR_JSON)
            return 0;
    return 1;
}

int wr_postgres_writer_ready(struct wr_postgres_writer *writer, struct wr_error *err) {
    const struct wr_postgres_table *table = writer->table;
    struct wr_buf *sql = writer->sql;
    for (int s = 0; s < WR_POSTGRES_STATEMENTS; s++)
        wr_buf_clear(&sql[s]);
    int status;
    writer->user.is_deferred = table->is_deferred && writer->undo == NULL;
    writer->gathers = table->key_count == 0 && table->is_plain && has_no_json(table->schema);
    if (table->key_count == 0 && !table->has_casts && !table->has_rules) {
        status = wr_postgres_table_copy(table, &sql[WR_POSTGRES_COPY]);
    } else {
        status = wr_postgres_table_insert(table, &sql[WR_POSTGRES_INSERT]);
        if (status == WR_OK && table->key_count > 0)
            status = wr_postgres_table_delete(table, 0, &sql[WR_POSTGRES_REMOVE]);
        if (status == WR_OK && table->key_count > 0)
            status = wr_postgres_table_delete(table, 1, &sql[WR_POSTGRES_REMOVE_NIL]);
        if (status == WR_OK && writer->gone != NULL)
            status = wr_postgres_table_insert_keys(table, writer->gone, &sql[WR_POSTGRES_REMEMBER]);
    }
    if (status != WR_OK)
        return no_memory(writer, err);
    int keeps = writer->undo != NULL && !writer->undo->by_rows;
    if (keeps)
        status = wr_postgres_undo_keep(writer->undo, table, 0, &sql[WR_POSTGRES_KEEP], err);
    if (status == WR_OK && keeps)
        status = wr_postgres_undo_keep(writer->undo, table, 1, &sql[WR_POSTGRES_KEEP_NIL], err);
    return status;
}

int wr_postgres_writer_room(struct wr_postgres_writer *writer, uint32_t count,
                            struct wr_error *err) {
    if (count <= writer->row_room)
        return WR_OK;
    uint32_t room = 1024;
    while (room < count)
        room *= 2;
    wr_free(&wr_budget_control, writer->rows);
    wr_free(&wr_budget_control, writer->places);
    wr_free(&wr_budget_control, writer->lasts);
    writer->rows = wr_alloc(&wr_budget_control, room * sizeof *writer->rows);
    writer->places = wr_alloc(&wr_budget_control, 2 * room * sizeof *writer->places);
    writer->lasts = wr_alloc(&wr_budget_control, room);
    int is_there = writer->rows != NULL && writer->places != NULL && writer->lasts != NULL;
    writer->row_room = is_there ? room : 0;
    return is_there ? WR_OK : no_memory(writer, err);
}
