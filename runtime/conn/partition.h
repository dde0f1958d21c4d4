/* partition.h: rows into a directory of files, by the values of some columns, as Hive lays them
 * out: `out/dt=2024-01-01/hm=10%3A05/part-00000.csv`; or by none: `out/part-00000.csv`. In
 * several files: partition_sink.c (what a script says, rows, epochs), partition_file.c (files and
 * their names), partition_state.c (what a restart knows), others below. Private to the room. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/env.h"
#include "conn/conn.h"
#include "conn/fence.h"
#include "conn/output.h"
#include "data/codec.h"

#define PARTITIONS_MAX (1u << 20) /* of one sink, at a time; its budget has room for fewer */
#define PARTITION_FILES_MAX 32u   /* that are open at a time */
#define PARTITION_SYNCED_MAX 16u  /* synced one by one, of an epoch */
#define PARTITION_PATH_MAX 4096
#define PARTITION_NAME_MAX 255u /* bytes of `name=value`, as file systems have it */

enum partition_mode { PARTITION_REPLACE, PARTITION_APPEND, PARTITION_NEW };

struct partition_config {
    const char *directory; /* ends with "/" */
    const char *ending;    /* ".csv.gz" */
    const struct wr_encoder_type *format;
    const struct wr_value *options;
    const struct wr_schema *content; /* the columns of the files, and where the input has them */
    const uint16_t *content_from;
    const uint16_t *columns; /* those of the directories */
    uint32_t column_count;
    enum wr_compression compression;
    enum partition_mode mode;
    /* When a file is complete before the end; 0: not by this. */
    int64_t quiet_us; /* the frontier is so far behind the last row of the partition */
    int64_t every_us; /* … or has passed the next multiple of this behind the file's first row */
    uint64_t roll_rows;  /* it has so many rows */
    uint64_t roll_bytes; /* or so many bytes, before compression */
    int rolls, by_time;  /* by any of these, by one of the first two */
    int digits;          /* of the number in a file's name: names sort by it */
    int success;         /* a file `_SUCCESS` in each that is complete */
    struct wr_retry retry;
};

struct partition_slot;

/* The rows of one directory. Its files are numbered, and written one after the other. */
struct partition {
    char *name; /* "dt=2024-01-01/hm=10%3A05" */
    uint64_t hash;
    uint32_t number;      /* of the file that is written, or of the next one */
    uint8_t is_active;    /* a file is written, under its temporary name */
    uint8_t is_claimed;   /* what earlier runs left there has been counted */
    uint8_t is_elsewhere; /* its directory is on another file system than that of the sink */
    uint8_t is_saved;     /* a checkpoint has said something of it */
    uint8_t is_changed;   /* since the last one */
    uint8_t is_gone;      /* it is about to be forgotten */
    uint8_t is_renamed;   /* the file had got its name when this life, or one before, began */
    uint64_t rows;        /* of the file that is written */
    uint64_t bytes;       /* of its rows, before compression */
    uint64_t length;      /* of it, in bytes */
    int64_t last_us;      /* the greatest event time of its rows; for a late one, the frontier */
    int64_t due_us;       /* by `every_us`; WR_TIME_MAX: no row yet */
    uint64_t touched;     /* the batch that had a row for it last */
    uint32_t chain;       /* of the batch that was written last: its rows, if it had some */
    struct partition_slot *slot; /* it is open there, or NULL */
};

struct partition_slot {
    uint32_t partition;
    int is_open;
    uint64_t used; /* when, for who has to go */
    struct wr_output output;
    struct wr_buf text; /* encoded, not yet written */
    char path[PARTITION_PATH_MAX];
};

/* A file that is complete; it gets its name when the state knows that it is, or at finish where the
 * rows are held. */
struct partition_done {
    uint32_t partition, number;
    uint64_t rows;   /* UINT64_MAX: an older weir did not say */
    uint64_t length; /* in bytes; 0: the same */
    int is_lost;
};

/* Files that were complete in a life before and are under neither of their names: see
 * partition_gone.c. */
struct partition_gone {
    uint64_t taken; /* they had got their names */
    uint64_t lost;  /* nothing says so */
    uint64_t rows;  /* of the lost ones; UINT64_MAX: not known of all */
    char *example;  /* the temporary name of the first that is lost, else of the first taken */
};

/* What is left of a partition that was forgotten, without a state. */
struct partition_kept {
    uint64_t hash;
    uint32_t number; /* of its next file; 0: nothing stands here */
};

struct partition_sink {
    struct wr_sink base;
    const struct partition_config *config;
    struct wr_encoder *encoder;
    struct wr_arena scratch; /* of one batch */
    struct wr_buf name;
    struct wr_fence fence;
    struct wr_file *fence_file; /* NULL: nothing is written yet, or there is no state: then … */
    struct wr_file_info place;  /* … this is the directory that is written into, … */
    int has_place;              /* … once there is one */
    uint32_t token;             /* in temporary names: of this run and its restarts */
    uint32_t count, room;
    struct partition *partitions;
    uint32_t mask;
    uint32_t *index;    /* by hash: a partition's number + 1 */
    uint64_t batches;   /* so far */
    uint32_t forget_at; /* so many partitions */
    uint8_t has_forgotten;
    uint8_t has_told_empty; /* that it stands with nil */
    uint32_t kept_count, kept_mask;
    struct partition_kept *kept; /* by hash */
    struct wr_buf removed;       /* names of those that the next checkpoint says are forgotten */
    uint32_t removed_count;
    struct partition_slot *slots;
    uint64_t clock; /* of slots */
    uint32_t done_count, done_room;
    struct partition_done *done;
    uint32_t done_before; /* so many of them were complete in a life before */
    struct partition_gone gone;
    struct wr_filesystem *filesystem; /* NULL: files are synced one by one */
    uint64_t device;                  /* of it */
    uint32_t synced;                  /* one by one, since all were last */
    uint8_t is_due;                   /* something waits for the sync of all */
    uint8_t is_asked;                 /* whether there is one */
    uint8_t ends;                     /* it finishes */
    int must_cut;                     /* what the state does not know of is still there */
    int fence_exists;                 /* behind a restart: a run goes on there, or has left it so */
    int fence_is_old;                 /* … but it was further already */
    int was_whole;   /* … all of it was complete once: nothing is done any more, … */
    int goes_again;  /* … unless rows come: the script has changed since, and the state knows */
    int saved;       /* a state points to the files */
    int64_t stop_us; /* when a file was complete first since the run is to stop; 0: none was */
};

/* ---- partition_names.c ---- */

int partition_no_memory(const struct partition_sink *self, struct wr_error *err);
/* Bytes of a name or a value, as they stand in a path. */
void partition_add_escaped(struct wr_buf *out, const char *bytes, size_t length);

/* The name of the directory of a row, into `self->name`. WR_ELIMIT: a value is too long for one. */
int partition_name_of(struct partition_sink *self, const struct wr_batch *batch, uint32_t row);
/* The partition of that name, made when missing. */
int partition_find(struct partition_sink *self, const char *name, size_t length, uint32_t *found,
                   struct wr_error *err);
/* The same of one that a state knows: it was not forgotten. */
int partition_find_saved(struct partition_sink *self, const char *name, size_t length,
                         uint32_t *found, struct wr_error *err);
/* All by their hashes. */
void partition_index_all(struct partition_sink *self);

/* ---- partition_file.c ---- */

/* A path below the directory of a partition. `number`: of a file, in its final or temporary name;
 * UINT32_MAX: `other`. */
int partition_path(const struct partition_sink *self, const struct partition *one, uint32_t number,
                   int is_final, const char *other, char path[PARTITION_PATH_MAX],
                   struct wr_error *err);
/* Its file, open and with a header; `slot` is valid until the next call. */
int partition_open(struct partition_sink *self, uint32_t partition, struct wr_error *err);
int partition_flush(struct partition_sink *self, struct partition_slot *slot, struct wr_error *err);
/* The file that is written is complete. */
int partition_complete(struct partition_sink *self, uint32_t partition, struct wr_error *err);
/* The end of a partition whose file had its name already: what a power cut may have left over. */
int partition_was_named(struct partition_sink *self, const struct partition *one,
                        struct wr_error *err);
/* All was complete, and more rows come, since the script has changed: files that have their names
 * stand, and the next of each begins. */
int partition_leave_named(struct partition_sink *self, struct wr_error *err);
/* Files that are complete get their names. */
int partition_name_done(struct partition_sink *self, struct wr_error *err);
/* After a restart, when all has been looked at: cuts the files to what the state knows. */
int partition_cut(struct partition_sink *self, struct wr_error *err);
/* PARTITION_NEW: nothing may be there. */
int partition_check_new(struct partition_sink *self, struct wr_error *err);
/* Whether the directory has partitions, or parts. */
int partition_is_filled(struct partition_sink *self, int *is_filled, struct wr_error *err);
/* Forgets files that no state points to. */
void partition_close_all(struct partition_sink *self);

/* ---- partition_look.c ---- */

/* After a restart: whether what the state goes on with stands there, and is of its moment. Changes
 * nothing: W613, W617. */
int partition_look(struct partition_sink *self, struct wr_error *err);
/* More rows come for a file that the state has completed; returns the failure. */
int partition_has_its_name(const struct partition_sink *self, const struct partition *one,
                           struct wr_error *err);
/* Rows begin a file where all was complete. */
int partition_goes_again(struct partition_sink *self, struct wr_error *err);
/* What was written before is not there as the state says; returns the failure. */
int partition_lost(const struct partition_sink *self, const char *path, uint64_t length,
                   struct wr_error *err);

/* ---- partition_sync.c ---- */

/* Before anything is left to it; nothing where the sink's directory is not made yet. */
void partition_open_filesystem(struct partition_sink *self);
/* Makes the directory of a partition. */
int partition_make_directory(struct partition_sink *self, struct partition *one, const char *path,
                             struct wr_error *err);
/* Whether something of a partition, which is to be durable, is left to the sync of all. */
int partition_leaves(struct partition_sink *self, const struct partition *one);
/* What was left is durable. */
int partition_sync_left(struct partition_sink *self, struct wr_error *err);
/* Before the state says so: all that was written is durable. */
int partition_sync(struct partition_sink *self, struct wr_error *err);

/* ---- partition_forget.c ---- */

/* Before the rows of a batch: where there are many partitions, those at rest are forgotten. */
int partition_forget(struct partition_sink *self, struct wr_error *err);
/* The number of the next file of one that was forgotten; 0: it was not. */
int partition_recall(struct partition_sink *self, const char *name, size_t length, uint64_t hash,
                     uint32_t *number, struct wr_error *err);
/* Takes those away that are gone; the numbers of others change. */
int partition_drop(struct partition_sink *self, struct wr_error *err);

/* ---- partition_fence.c ---- */

/* Where a state begins: W617. */
int partition_fence_look_new(const struct partition_sink *self, struct wr_error *err);
/* Behind a restart, before files are looked at: W617. */
int partition_fence_look(struct partition_sink *self, struct wr_error *err);
/* Before anything is written or cut, once the directory is there: W612, W617. */
int partition_fence_take(struct partition_sink *self, struct wr_error *err);
/* The same behind a restart, where there is something to go on with. */
int partition_fence_take_again(struct partition_sink *self, struct wr_error *err);
/* Whether the directory is the one that was written into: W626. Without a state also before a file
 * begins there, or gets its name. */
int partition_fence_check(const struct partition_sink *self, struct wr_error *err);
/* The same where there is no state, and so no file that is held. */
int partition_fence_check_place(const struct partition_sink *self, struct wr_error *err);
/* The state knows of the epoch. */
int partition_fence_commit(struct partition_sink *self, struct wr_error *err);
/* All is complete. */
int partition_fence_end(struct partition_sink *self, struct wr_error *err);
void partition_fence_close(struct partition_sink *self);

/* ---- partition_others.c ---- */

/* Notes what other states have left in the directory, and do not go on with. */
void partition_tell_others(const struct partition_sink *self);

/* ---- partition_gone.c ---- */

/* A complete file of a life before is under neither of its names: counts it as taken or lost.
 * `path`: its temporary name. */
int partition_is_gone(struct partition_sink *self, const char *path, uint64_t rows, int *was_taken,
                      struct wr_error *err);
/* Whether one that is under neither of its names has got its final one; counts it then. */
int partition_was_taken(struct partition_sink *self, const char *path, int *was_taken,
                        struct wr_error *err);
/* Tells once of all that is gone, behind a restart. */
void partition_tell_gone(struct partition_sink *self);

/* ---- partition_state.c ---- */

int partition_save(struct partition_sink *self, struct wr_buf *out);
int partition_load(struct partition_sink *self, struct wr_reader *from, struct wr_error *err);
