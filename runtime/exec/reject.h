/* reject.h: the reject log's own parts. Private to the room.
 *
 * Rejects leave in the order of the records that they came from: source, partition, record, then
 * stage; those of rows that were made of many come last. What one push rejected is put into that
 * order at its end; where shards may reject rows of it later, when they have worked on all that
 * came. Where that is not enough (several lanes, or stages that let a row go later than it came)
 * the rejects of a bounded input are held in a spool until all are known; of an endless one they
 * leave in the order of their arrival. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "exec/unit.h"

/* A reject with its texts, which lie in the log's arena, or in the spool while it is taken. */
struct reject_entry {
    /* The order. */
    uint32_t source, partition; /* ordinals; UINT32_MAX when the row has no one origin */
    uint64_t record;            /* UINT64_MAX: likewise */
    /* Whether it has happened (stop.c): the line and the row's number in it; UINT32_MAX: yes. */
    uint32_t line;
    uint64_t number;
    uint8_t is_read;        /* the row is of a source: its lane has a word in it too */
    uint64_t turn, batch;   /* of one record and stage: the push, the batch in it … */
    uint32_t row, sequence; /* … the row in that, and what was first */
    const struct unit *unit;
    int code;
    int only_warns;
    int64_t at; /* event time; WR_TIME_MIN: none */
    const char *reason, *detail, *source_name, *position, *raw, *row_json;
    uint32_t raw_length, row_length;
    uint32_t tried; /* how often the record was rejected before */
};

/* entry.c: what a reject is, and as bytes and back. */
struct reject_maker;
int reject_maker_new(struct reject_maker **maker, struct wr_run *run);
void reject_maker_free(struct reject_maker *maker);
/* Fills all but turn, batch and sequence; texts are copied into `arena`. `with_row`: the row as
 * JSON too. */
int reject_entry_make(struct reject_maker *maker, struct wr_arena *arena, struct unit *unit,
                      const struct wr_reject *reject, int with_row, struct reject_entry *entry);
/* Bytes whose order (memcmp) is that of the entries. */
int reject_entry_key(const struct reject_entry *entry, struct wr_buf *out);
int reject_entry_save(const struct reject_entry *entry, struct wr_buf *out);
/* Texts stay where `in` reads. WR_OK or WR_ECORRUPT. */
int reject_entry_load(const struct wr_run *run, struct wr_reader *in, struct reject_entry *entry);
int reject_entry_order(const void *a, const void *b); /* for qsort */
static inline int reject_has_record(const struct reject_entry *entry) {
    return entry->record != UINT64_MAX;
}

/* reject_rows.c: rows of `rejects` for those who read them. */
struct reject_readers {
    struct wr_run *run;
    uint32_t count;
    struct unit **units; /* of live rejects nodes */
};
int reject_readers_init(struct reject_readers *readers, struct wr_run *run);
/* Gives each reader the entries that it reads. */
int reject_readers_give(const struct reject_readers *readers, const struct reject_entry *entries,
                        uint32_t count);

/* reject_count.c: how many of which kind, with an example each. */
void reject_count(struct wr_run *run, const struct reject_entry *entry);
void reject_counts_sort(struct wr_run *run);
void reject_counts_forget(struct wr_run *run);
/* The kinds, for a checkpoint and back. */
int reject_counts_save(const struct wr_run *run, struct wr_buf *out);
int reject_counts_load(struct wr_run *run, struct wr_reader *in);
