/* follow.h: a file that is read as it grows, and goes on when its name passes on to another file:
 * in three files, follow_source.c (reading), follow_find.c (which file is where) and follow_names.c
 * (which of two is older). Private to the room.
 *
 * Clocks of file systems tick, by milliseconds or by whole seconds: files that were rotated within
 * a tick have one time. Then their names say which is older. */
#pragma once
#include "base/env.h"
#include "conn/file_reader.h"

#define FOLLOW_PATH_MAX 4096
#define FOLLOW_SECOND_US 1000000
#define FOLLOW_CLOCK_US 20000 /* the clock of a file system is behind by less */

/* A file that is known. Its number is given again when it is gone. */
struct follow_file {
    uint64_t inode;
    int64_t born_us; /* when it was made; 0: nobody says */
};

struct follow_position {
    struct follow_file file;
    int64_t modified_us;  /* 0: not known */
    uint64_t size;        /* how long it was then; 0 also where that is not known */
    uint64_t offset, sum; /* decompressed byte of the next record; file_reader_sum there */
};

int follow_is_file(const struct follow_file *file, const struct wr_file_info *info);

/* Names that those who write files give them while they do so: `.x`, `_x`, `x.tmp`, `x.part`. */
int follow_is_half_written(const char *path);
#define FOLLOW_ENDINGS 4
extern const char *const follow_endings[FOLLOW_ENDINGS]; /* of compressed files */
/* How long the path is without such an ending; 0: it has none. */
size_t follow_length_without_ending(const char *path);
/* A file that was read to its end, and was changed last then. */
struct follow_read {
    struct follow_file file; /* becomes that of its compressed copy, where it is found as one */
    int64_t modified_us;
    uint64_t offset, sum; /* at its end: what tells it, and a copy of it; 0: not known */
};
/* Behind what: such a file, or, where `has_file` is 0, its time. */
struct follow_after {
    struct follow_read read;
    uint8_t has_file;
    uint8_t was_cut; /* there is an older copy of what it had (copytruncate) */
};
struct follow_next {
    char path[FOLLOW_PATH_MAX]; /* "": none */
    struct follow_file file;
};
/* The oldest of the files beside that of `in` that were rotated after that, and that are not among
 * the `done_count` that were read. Of those with the same time as the file the names say which they
 * are; behind a time, one that has it counts. */
int follow_next_old(const struct file_reader *in, struct follow_after *after,
                    const struct follow_read *done, uint32_t done_count, struct follow_next *next,
                    struct wr_error *err);
/* Opens `in` where the position stands: in the followed file, in one that it was renamed to, or in
 * a copy of it. `found` is its name; "": the position is the start of a file that is gone, or that
 * may be another one, since its number alone says nothing. W616 where there is none. */
int follow_find(struct file_reader *in, const struct follow_position *from,
                char found[FOLLOW_PATH_MAX], struct wr_error *err);

/* ---- follow_names.c ---- */

struct follow_number {
    uint64_t number;
    int64_t modified_us, born_us; /* of its file; 0: nobody says */
};

/* What is known of the numbers behind a name: of most programs `x.log.1` is younger than `x.log.2`,
 * unless the files with the least and the greatest one say that they grow. */
struct follow_numbers {
    struct follow_number least, most;
    uint8_t is_any;
};
/* One more file whose name begins with `stem` bytes that all have. */
void follow_numbers_add(struct follow_numbers *numbers, const char *path, size_t stem,
                        const struct wr_file_info *info);
/* < 0: `a` is the older one, > 0: `b` is. By numbers, as said; dates and all else by their order;
 * the name itself is the newest. */
int follow_names_order(const struct follow_numbers *numbers, size_t stem, const char *a,
                       const char *b);
