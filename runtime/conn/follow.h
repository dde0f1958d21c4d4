/* follow.h: a file that is read as it grows, and goes on when its name passes on to another file:
 * in two files, follow_source.c (reading) and follow_find.c (names). Private to the room. */
#pragma once
#include "base/env.h"
#include "conn/file_reader.h"

#define FOLLOW_PATH_MAX 4096

/* A file that is known. Its number is given again when it is gone. */
struct follow_file {
    uint64_t inode;
    int64_t born_us; /* when it was made; 0: nobody says */
};

struct follow_position {
    struct follow_file file;
    int64_t modified_us;  /* 0: not known */
    uint64_t offset, sum; /* decompressed byte of the next record; file_reader_sum there */
};

int follow_is_file(const struct follow_file *file, const struct wr_file_info *info);

/* Names that those who write files give them while they do so: `.x`, `_x`, `x.tmp`, `x.part`. */
int follow_is_half_written(const char *path);
#define FOLLOW_ENDINGS 4
extern const char *const follow_endings[FOLLOW_ENDINGS]; /* of compressed files */
/* How long the path is without such an ending; 0: it has none. */
size_t follow_length_without_ending(const char *path);
/* The oldest of the files beside `path` that were changed later than that, and that are not among
 * the `done_count` that were read; "": none. */
int follow_next_old(const struct wr_env *env, const char *path, int64_t after_us,
                    const struct follow_file *done, uint32_t done_count,
                    char found[FOLLOW_PATH_MAX], struct wr_error *err);
/* Opens `in` where the position stands: in the followed file, in one that it was renamed to, or in
 * a copy of it. `found` is its name; "": the position is the start of a file that is gone, or that
 * may be another one, since its number alone says nothing. W616 where there is none. */
int follow_find(struct file_reader *in, const struct follow_position *from,
                char found[FOLLOW_PATH_MAX], struct wr_error *err);
