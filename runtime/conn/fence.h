/* fence.h: a file, or a directory of files, that one instance of a pipeline at a time writes to,
 * over several of its lives. Private to the room.
 *
 * While a run goes on it holds the file: another instance is refused (W612). Before each write, and
 * before the state says how long it is, it is looked at: what somebody else appended, cut, moved or
 * replaced ends the run (W626), and nothing of theirs is touched.
 *
 * Between two runs stands a mark on the file: of which state it is, which checkpoint of it, and how
 * far this pipeline has written. Copies of one state have one identity, and draw a number for each
 * life; the state knows its last ones. So a mark that is ahead of the state, or of a life that it
 * does not know, is of an instance that went on from a copy of it (W617), as is the row in
 * `weir_commit` of a database. And what stands behind the bytes that were written is of somebody
 * else: that says a mark of the same start of the machine, since a power cut may bring back an
 * older one. The mark stands there before the bytes do, with sums of their beginnings: so it shows
 * whether it is they that came, or bytes of somebody else behind a kill in between.
 *
 * Where the file is the pipeline's rows, the mark is an attribute of it, which a plain copy leaves
 * behind. A directory is marked by a file that is nothing else (`is_own_file`): there it stands in
 * the contents, which any copy takes along, twice, so that one is whole when the other is cut off.
 *
 * Where a file system has no locks, or no marks, the rest still holds. Without a state there are no
 * marks. Threads: one. */
#pragma once
#include <stdint.h>

struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_file;
struct wr_file_info;
struct wr_reader;
struct wr_sink;

/* What the state says, or a mark. */
struct wr_fence_place {
    uint64_t epoch; /* the checkpoint; 0: there is none yet */
    uint64_t life;  /* of the run that made it */
};

#define WR_FENCE_LIVES 4

struct wr_fence {
    const struct wr_env *env;
    const char *name;  /* of the sink; borrowed */
    uint64_t identity; /* 0: no marks */
    uint64_t boot;
    uint64_t life;                   /* of this run */
    struct wr_fence_place kept;      /* by the state … */
    uint64_t before[WR_FENCE_LIVES]; /* … with the lives before, the last one first: a mark of one
                                      * of them is what a power cut has brought back */
    uint64_t epoch;                  /* under way */
    uint64_t marked;                 /* the state says: in this boot; 0: it was not */
    int is_marked;                   /* by this run */
    int has_no_marks;                /* the file system has none */
    int is_own_file;                 /* the file holds the mark alone */
    uint64_t turn;                   /* of the marks in it; 0: not looked at yet */
    uint64_t turn_kept;              /* … which the state says: it had come as far as this */
};

#define WR_FENCE_TAKEN "W617"      /* another instance of the pipeline has gone on with it */
#define WR_FENCE_UNREADABLE "W611" /* of a file that may be written and not read: nothing tells */

/* Whose are the bytes behind those that the state knows? */
enum wr_fence_tail {
    WR_FENCE_UNKNOWN, /* nobody says */
    WR_FENCE_OURS,    /* as far as `written` */
    WR_FENCE_OTHERS,  /* another pipeline has written to the file since */
    WR_FENCE_COPIED,  /* it had a mark since the machine was started, and has none: it is a copy of
                       * nobody knows when, or another file */
};
struct wr_fence_found {
    enum wr_fence_tail tail;
    uint64_t written; /* of OURS: how far this pipeline has written */
    int is_old;       /* a file of its own, with an earlier mark than the state knows of: a copy */
};

void wr_fence_init(struct wr_fence *fence, const struct wr_sink *sink);
/* Part of what the sink saves, for the checkpoint at hand. */
void wr_fence_save(const struct wr_fence *fence, struct wr_buf *out);
void wr_fence_load(struct wr_fence *fence, struct wr_reader *from);
/* The boot in which this run has marked the file, or 0: what a later one takes for `marked`. */
uint64_t wr_fence_marked(const struct wr_fence *fence);

/* Behind a restart: whether the file goes on from this state, which knows `length` bytes of it.
 * W617, or WR_OK. A file that is as long as that, with a mark of another length, was put back
 * together with the state: a copy keeps the attributes of the file that it is copied over.
 * `goes_back`: the state is an older copy, and what came behind it is given up. The second opens it
 * by its path, and says in `found` whose what stands there is; where it is not there, or may not be
 * read, nothing is known. */
int wr_fence_judge(const struct wr_fence *fence, struct wr_file *file, const char *path,
                   uint64_t length, int goes_back, struct wr_error *err);
int wr_fence_judge_at(const struct wr_fence *fence, const char *path, uint64_t length,
                      int goes_back, struct wr_fence_found *found, struct wr_error *err);
/* Where a state without a checkpoint begins: what it would make anew may be of an instance that
 * went on from a copy of it. W617. The second opens it by its path. */
int wr_fence_judge_new(const struct wr_fence *fence, struct wr_file *file, const char *path,
                       struct wr_error *err);
int wr_fence_judge_new_at(const struct wr_fence *fence, const char *path, struct wr_error *err);
/* Holds the file until it is closed: W612. */
int wr_fence_hold(const struct wr_fence *fence, struct wr_file *file, const char *path,
                  struct wr_error *err);
/* Marks it: this pipeline has written as far as `length`. The second is durable, for a run that
 * takes over from the life before. */
int wr_fence_mark(struct wr_fence *fence, struct wr_file *file, uint64_t length,
                  struct wr_error *err);
int wr_fence_take(struct wr_fence *fence, struct wr_file *file, uint64_t length,
                  struct wr_error *err);
/* Takes the mark from a file that is complete. */
int wr_fence_clear(struct wr_fence *fence, struct wr_file *file, struct wr_error *err);
/* Before these `more` bytes are written behind `length`. */
int wr_fence_before(struct wr_fence *fence, struct wr_file *file, const char *path, uint64_t length,
                    const char *bytes, uint64_t more, struct wr_error *err);
/* The state knows of the epoch under way. */
void wr_fence_commit(struct wr_fence *fence);

/* Whether an open file that was left with `length` bytes has them still, and its name. W626. */
int wr_fence_check(const struct wr_env *env, const struct wr_file *file, const char *path,
                   uint64_t length, struct wr_error *err);
/* Whether it has its name still. */
int wr_fence_check_name(const struct wr_env *env, const struct wr_file *file, const char *path,
                        struct wr_error *err);
/* Whether a directory is the one that it was. */
int wr_fence_check_directory(const struct wr_env *env, const char *path,
                             const struct wr_file_info *before, struct wr_error *err);
/* The same of a file that is not open, which was left with `length` bytes. `info` NULL: it is not
 * there. */
int wr_fence_check_left(const char *path, const struct wr_file_info *info, uint64_t length,
                        struct wr_error *err);
