/* watch.h: files of a directory or a glob that is looked at again and again: watch_source.c
 * (reading), watch_scan.c (which files there are), watch_match.c (which of them were known),
 * watch_content.c (what is in them), watch_copy.c (copies), watch_rotated.c (rotation while nobody
 * looked), watch_gone.c (those that may come back), watch_beside.c (names), watch_hold.c (files
 * that are open), watch_state.c (what a restart knows). Private to the room.
 *
 * A file is known by its number (inode), under any name that begins with its own, and by what is in
 * it: its first bytes, seen before any of its rows leave, and those before the place where reading
 * stands. Where its number is no longer there, or is given again and nobody says when files were
 * made, the content tells: of its name (a copy of a whole job), or of a compressed copy.
 *
 * All files of a name that were rotated are known as long as one could be taken for a new one, also
 * those that were there before (`is_old`). So one that is not known was rotated since. */
#pragma once
#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/follow.h"

#define WATCH_HELD_MAX 128u     /* files that are kept open: those that changed last … */
#define WATCH_HELD_LEAST 16u    /* … or so many, where few files may be open */
#define WATCH_HELD_SHARE 8u     /* of the files that may be open */
#define WATCH_QUIET_US 10000000 /* a file that has not changed for so long is complete */
#define WATCH_AWAY_US 1000000   /* one that was renamed is read to its end for so long */
#define WATCH_AWAY_KEPT 3u      /* of one name are known still, and … */
#define WATCH_AWAY_MAX 128u     /* … so many, where they were changed … */
#define WATCH_DOUBT_US INT64_C(3600000000) /* … so shortly before its newest */

struct watched {
    char *path;
    uint64_t inode;
    int64_t born_us;       /* with it; 0: not known */
    uint64_t size;         /* seen last */
    int64_t modified_us;   /* seen last */
    int64_t before_us;     /* `modified_us` when the scan that runs began */
    int64_t changed_us;    /* when a change was seen last, by the monotonic clock */
    int64_t gone_us;       /* the look that has not found it any more, by the wall clock */
    uint64_t offset, line; /* of the next record */
    uint64_t looked_to;    /* what was there when it was read last */
    uint64_t sum;          /* file_reader_sum there */
    uint64_t head_sum;     /* file_known_sum of the first bytes … */
    uint32_t head_length;  /* … so many: those that were there at some scan */
    char *format;          /* what the decoder needs to go on, or NULL */
    struct wr_file *held;  /* open, so that it is read under any name and when it was removed */
    uint32_t format_length;
    uint8_t is_whole;  /* compressed, and read: it does not grow */
    uint8_t has_rest;  /* a compressed copy of what was read up to `offset` */
    uint8_t is_copy;   /* `is_whole`: the file that it is a copy of was read, and is still there */
    uint8_t is_away;   /* renamed to a name that is not asked for: read to its end */
    uint8_t ends_open; /* its last line was read without its end, which may come still */
    uint8_t is_old;    /* `is_whole`: it is away, was so before the first scan, and is not read */
    uint8_t is_seen;   /* by the scan that runs */
    uint8_t is_kept;   /* by the scan that runs: it is known still behind it */
    uint8_t is_looked_into; /* `is_old`: for its first bytes */
};

/* What is to be read next: all of `file` up to a byte. */
struct watch_task {
    struct watched *file;
    uint64_t upto;
    uint8_t is_end;   /* nothing more comes: what is left is a line */
    uint8_t is_again; /* by a state: its rows may have left already … */
    uint64_t from;    /* … from here on */
    uint8_t is_plain; /* by a state: `upto` counts bytes of the data, compressed since or not */
};

struct watch_source {
    struct file_reader in;
    struct watched **files; /* by path, in byte order */
    uint32_t count, room;
    struct watched **gone; /* read, and not there any more: the last of them, as they went */
    uint32_t gone_count, gone_room;
    struct watch_task *tasks;
    uint32_t task_count, task_room, task_at;
    uint8_t is_announced;                 /* a state has the tasks, or there is none */
    struct watched *held[WATCH_HELD_MAX]; /* or NULL */
    int64_t scan_due_us;
    int64_t looked_us; /* when the last scan began, by the wall clock; 0: there was none */
    struct follow_file directory; /* that the files are in; number 0: not known */
    uint8_t waits_told;           /* that it is not there */
    uint8_t
        knows_old; /* what was away before is known; not yet where a state of before is opened */
};

/* ---- watch_scan.c ---- */

/* Looks at the directory and makes the tasks. Where there are tasks already, from a position, they
 * stay, and their files are found. */
int watch_scan(struct watch_source *self, struct wr_error *err);
/* A file with this path, at the end of `files`; NULL: out of memory. */
struct watched *watch_add(struct watch_source *self, const char *path, size_t length);
int watch_add_task(struct watch_source *self, struct watched *file, uint64_t upto, int is_end);
void watch_free_file(struct watch_source *self, struct watched *file);
void watch_free_all(struct watch_source *self);
int watch_rename(struct watched *file, const char *path);
/* Says something of a file. */
void watch_tell(const struct watch_source *self, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- watch_match.c ---- */

/* The file has this number, and nothing says that it is another one that was given it again. */
static inline int watch_has_number(const struct watched *file, const struct wr_file_info *info) {
    return follow_is_file(&(struct follow_file){file->inode, file->born_us}, info);
}

struct watch_seen {
    const char *path;
    struct wr_file_info info;
    int is_taken; /* it is one that is known, or is not to be read */
};

struct watch_list {
    struct watch_seen *items; /* by path, in byte order */
    uint32_t count, room;
};

/* What was known of a file when the scan began that has found it elsewhere, or not at all. */
struct watch_moved {
    struct watched *file;
    const char *path;
    uint64_t inode, offset, size;
    int64_t modified_us, born_us;
    uint8_t has_rest, is_away;
};

struct watch_look {
    struct watch_source *self;
    struct wr_arena arena;
    struct watched **known; /* when the scan began, by inode or by path */
    uint32_t known_count;
    struct watch_list seen; /* what has the address, without names that are passed over */
    struct watch_list
        beside; /* all of the directories of files that are missed; made when needed */
    struct watch_moved *moved;
    uint32_t moved_count, moved_room;
    struct watched **gone_by_path, **gone_by_inode; /* made when needed */
    uint32_t come_back;                             /* so many were gone */
    int64_t now_us;
    int beside_made;
    int waits; /* the directory is not there: nothing is known of its files */
    int status;
    struct wr_error why;
};

/* Finds the known files among those that are seen, and beside them: they are `is_seen`, and have
 * the names and numbers of now. Then those that were rotated while nobody looked are added. */
void watch_match(struct watch_look *look);
/* A call that fails says nothing of a file: the scan fails, and with it the run, which goes on
 * where it was. */
void watch_fails(struct watch_look *look, int status, const struct wr_error *why);
/* By the monotonic clock: when a file that is new here was changed, or may have been. */
int64_t watch_last_change(const struct watch_look *look, const struct wr_file_info *info);

/* Orders of pointers to watched files, for qsort and bsearch. */
int watch_by_path(const void *a, const void *b);
int watch_by_inode(const void *a, const void *b);
/* `known` is in the order of the names of now. */
void watch_sort_names(struct watch_look *look);
/* Then: the one of this name. */
struct watched *watch_find_name(const struct watch_look *look, const char *path);
/* … and the place of the first that begins with so many bytes of `path`. */
uint32_t watch_first_known(const struct watch_look *look, const char *path, size_t length);
/* It is this one, which is at its name. */
void watch_take_seen(struct watch_look *look, struct watched *file, struct watch_seen *seen,
                     int is_away);
/* Its name passes on, or its number is another one: files may have been rotated since. */
void watch_note_moved(struct watch_look *look, struct watched *file);

/* ---- watch_content.c ---- */

/* Anything is known of what is in it. */
static inline int watch_has_content(const struct watched *file) {
    return file->offset > 0 || file->head_length > 0;
}
/* What is known has the same content as the file `path`. 0 also where nobody can tell: then
 * `look->status` says so. -1: it has less, is damaged, or just went. */
int watch_is_same(struct watch_look *look, const struct watched *file, const char *path);
/* The same of one that is open (`held`) or not, with the status of what fails. */
int watch_compare(struct watch_source *self, const struct watched *file, const char *path,
                  struct wr_file *held, int *fits, struct wr_error *err);
/* The tick of the clock was over when files were looked at last: nothing that came since has got
 * this time. */
int watch_is_past(const struct watch_source *self, int64_t us);
/* Its number says that it is this file: it is open, or was made at the same time. */
int watch_is_sure(const struct watch_source *self, const struct watched *file,
                  const struct wr_file_info *info);
/* All of a file that is open or has its name is what the file `path` has, and no more. */
int watch_is_copy(struct watch_look *look, const struct watched *file, const char *path);
/* Looks at the first bytes of what it is now, if not all of them that count are known. Where that
 * cannot be, nothing more is known. */
void watch_note_head(struct watch_source *self, struct watched *file);
/* From its start, as if it had never been seen. */
void watch_forget_content(struct watched *file);

/* ---- watch_copy.c ---- */

/* Compressed copies of files that are open, and have no name any more; known files that are gone,
 * by copies of them; and compressed copies of those that are there. */
void watch_judge_copies_of_open(struct watch_look *look);
void watch_match_copies(struct watch_look *look);
void watch_judge_copies(struct watch_look *look);
/* What the numbers say that follow so many bytes of `path`. */
void watch_add_numbers(const struct watch_look *look, const char *path, size_t stem,
                       struct follow_numbers *numbers);

/* A file with this number is known, and was seen. */
int watch_is_known(const struct watch_source *self, const struct wr_file_info *info);

/* ---- watch_rotated.c ---- */

/* Files that were rotated behind those that moved. */
void watch_add_rotated(struct watch_look *look);
/* When `files` are those of now, from `first_new` on new ones: what is beside them. It was so
 * before they were seen, and is not read; or came since the last scan. */
void watch_add_old(struct watch_look *look, uint32_t first_new);

/* ---- watch_gone.c ---- */

int watch_may_come_back(const struct watched *file);
/* It is not among `files` any more. */
int watch_add_gone(struct watch_source *self, struct watched *file, int64_t now_us);
/* The one of those that are gone that this new file is: it is the last of `files` then. NULL: none
 * is, or `look->status` says what failed. */
struct watched *watch_take_gone(struct watch_look *look, struct watch_seen *seen);
/* Those that are back are not gone, and of too many the first are forgotten. */
void watch_sweep_gone(struct watch_source *self);

/* ---- watch_beside.c ---- */

int watch_list_add(struct watch_look *look, struct watch_list *list, const char *path);
struct watch_seen *watch_find_seen(const struct watch_list *list, const char *path);
/* Fills `beside`, once: with the files whose names begin with those of known ones. */
void watch_make_beside(struct watch_look *look);
/* The same of some files. */
void watch_list_beside(struct watch_look *look, struct watched *const *files, uint32_t count,
                       struct watch_list *list);
/* The first name beside that begins with so many bytes of `path`. */
uint32_t watch_first_beside(const struct watch_look *look, const char *path, size_t length);
/* 0: there is no such file. */
int watch_look_at(struct watch_look *look, const char *path, struct wr_file_info *info);
/* Does `path` go on with `.` or `-` behind so many bytes of `before`? */
int watch_begins_so(const char *path, const char *before, size_t length);
/* How long it is without the ending of a compressed file, and the numbers and dates that those who
 * rotate put behind names. */
size_t watch_stem_length(const char *path);

/* ---- watch_hold.c ---- */

/* Keeps a file open, if there is room for it among those that changed last. */
void watch_hold(struct watch_source *self, struct watched *file);
/* Opens the file for a task, under its name or one that begins so. WR_ENOENT: it is not there. */
int watch_take(struct watch_source *self, struct watched *file, struct wr_error *err);
/* Closes it, unless it is one of those that are kept open; `always`: those too. */
void watch_let_go(struct watch_source *self, struct watched *file, int always);

/* ---- watch_state.c ---- */

/* Where `in` stands in its file. */
int watch_keep(struct watch_source *self, struct watched *file);
int watch_save(struct watch_source *self, struct wr_buf *out);
int watch_load(struct watch_source *self, struct wr_reader *from, struct wr_error *err);
