/* watch.h: files of a directory or a glob that is looked at again and again: in three files,
 * watch_source.c (reading), watch_scan.c (which files there are), watch_state.c (what a restart
 * knows). Private to the room. */
#pragma once
#include "base/buf.h"
#include "conn/follow.h"

/* A file that is known. It is this one as long as its number (inode) is, under any name. */
struct watched {
    char *path;
    uint64_t inode;
    uint64_t size;         /* seen last */
    int64_t modified_us;   /* seen last */
    int64_t changed_us;    /* when a change was seen last, by the monotonic clock */
    uint64_t offset, line; /* of the next record */
    uint64_t looked_to;    /* what was there when it was read last */
    uint64_t sum;          /* file_reader_sum there */
    char *format;          /* what the decoder needs to go on, or NULL */
    uint32_t format_length;
    uint8_t is_whole;  /* compressed, and read: it does not grow */
    uint8_t is_away;   /* renamed to a name that is not asked for: read to its end */
    uint8_t ends_open; /* its last line was read without its end, which may come still */
    uint8_t is_seen;   /* by the scan that runs */
};

/* What is to be read next: all of `file` up to a byte. */
struct watch_task {
    struct watched *file;
    uint64_t upto;
    uint8_t is_end; /* nothing more comes: what is left is a line */
};

struct watch_source {
    struct file_reader in;
    struct watched **files; /* by path, in byte order */
    uint32_t count, room;
    struct watch_task *tasks;
    uint32_t task_count, task_room, task_at;
    uint8_t is_announced; /* a state has the tasks, or there is none */
    int64_t scan_due_us;
};

/* ---- watch_scan.c ---- */

/* Looks at the directory and makes the tasks. */
int watch_scan(struct watch_source *self, struct wr_error *err);
/* A file with this path, at the end of `files`; NULL: out of memory. */
struct watched *watch_add(struct watch_source *self, const char *path, size_t length);
int watch_add_task(struct watch_source *self, struct watched *file, uint64_t upto, int is_end);
void watch_free_all(struct watch_source *self);
/* Says something of a file. */
void watch_tell(const struct watch_source *self, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- watch_state.c ---- */

/* Where `in` stands in its file. */
int watch_keep(struct watch_source *self, struct watched *file);
int watch_save(struct watch_source *self, struct wr_buf *out);
int watch_load(struct watch_source *self, struct wr_reader *from, struct wr_error *err);
