/* fence.c: see fence.h. */
#include "conn/fence.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/conn.h"
#include "base/banned.h"

#define CODE_CHANGED "W626"
/* Of what is about to be written: how much of it has a sum. What is cut off anywhere is told from
 * rows of others by the longest of them that stands there. */
static const uint32_t head_bytes[] = {4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 512, 4096};
#define HEAD_BYTES_MAX 4096

/* As it stands on the file. */
struct mark {
    uint64_t identity, epoch, life;
    uint64_t written; /* in a file of its own: its turn */
    uint64_t boot;
    uint32_t more; /* bytes that are about to be written behind `written` … */
    uint8_t heads[WR_COUNT(head_bytes)]; /* … with the lowest byte of a sum of each head */
    uint64_t sum; /* of the others: a mark of another form, or a damaged one, is none */
};
_Static_assert(sizeof(struct mark) == WR_MARK_BYTES_MAX, "no padding, and it has room");

#define OWN_MARKS 2u /* in a file of its own; the one of the higher turn counts */

static uint64_t sum_of(const struct mark *mark) {
    return wr_hash_bytes(mark, offsetof(struct mark, sum), 1);
}

/* Whether there is one. A copy over a file leaves the attributes of that: contents are read
 * first. */
static int read_mark(const struct wr_fence *fence, struct wr_file *file, struct mark *mark) {
    struct mark own[OWN_MARKS] = {0};
    int found = 0;
    if (fence->is_own_file && wr_env_read_whole(file, own, sizeof own, 0) > 0)
        for (uint32_t i = 0; i < OWN_MARKS; i++)
            if (own[i].written != 0 && own[i].sum == sum_of(&own[i]) &&
                (!found || own[i].written > mark->written)) {
                *mark = own[i];
                found = 1;
            }
    if (found) /* else an older weir has made it */
        return 1;
    return fence->env->mark(file, mark, sizeof *mark) == sizeof *mark && mark->sum == sum_of(mark);
}

static int put_own(struct wr_fence *fence, struct wr_file *file, struct mark *mark,
                   struct wr_error *err) {
    struct mark last;
    if (fence->turn == 0) /* one that is made anew goes on counting */
        fence->turn = fence->turn_kept;
    if (fence->turn == fence->turn_kept && read_mark(fence, file, &last))
        fence->turn = WR_MAX(fence->turn, last.written);
    mark->written = ++fence->turn;
    mark->sum = sum_of(mark);
    return fence->env->write_at(file, mark, sizeof *mark,
                                (mark->written - 1) % OWN_MARKS * sizeof *mark, err);
}

void wr_fence_init(struct wr_fence *fence, const struct wr_sink *sink) {
    const struct wr_env *env = sink->env;
    *fence = (struct wr_fence){.env = env, .name = sink->name};
    if (sink->store == NULL || sink->identity == 0)
        return;
    fence->identity = sink->identity;
    fence->boot = env->boot(env);
    fence->life = env->random_u64(env) | 1;
}

void wr_fence_save(const struct wr_fence *fence, struct wr_buf *out) {
    wr_buf_add_varint(out, fence->epoch);
    wr_buf_add_u64(out, fence->life);
    size_t has = WR_FENCE_LIVES;
    if (fence->kept.life != fence->life) { /* the first checkpoint of this one */
        wr_buf_add_u64(out, fence->kept.life);
        has--;
    }
    for (size_t i = 0; i < has; i++)
        wr_buf_add_u64(out, fence->before[i]);
}

void wr_fence_load(struct wr_fence *fence, struct wr_reader *from) {
    fence->kept.epoch = wr_reader_varint(from);
    fence->kept.life = wr_reader_u64(from);
    for (size_t i = 0; i < WR_FENCE_LIVES; i++)
        fence->before[i] = wr_reader_u64(from);
}

uint64_t wr_fence_marked(const struct wr_fence *fence) {
    return fence->is_marked ? fence->boot : 0;
}

/* ---- marks --------------------------------------------------------------------------------- */

static int fenced(const struct wr_fence *fence, const struct mark *mark, const char *path,
                  struct wr_error *err) {
    const struct wr_fence_place *kept = &fence->kept;
    if (mark->epoch > kept->epoch)
        wr_error_set(err, WR_EREFUSED,
                     "%s: another instance of this pipeline has written to it: that one is at "
                     "checkpoint %" PRIu64 ", and this state at %" PRIu64 ": nothing was changed",
                     fence->name, mark->epoch, kept->epoch);
    else
        wr_error_set(err, WR_EREFUSED,
                     "%s: another instance of this pipeline has written to it since checkpoint "
                     "%" PRIu64 " of this state: nothing was changed",
                     fence->name, kept->epoch);
    wr_error_code(err, WR_FENCE_TAKEN);
    wr_error_help(err,
                  "two runs go on from copies of one state directory: go on with that of the other "
                  "one; with another --state the run begins anew. Where state and file were put "
                  "back together, `--state NEW --from COPY` goes on%s%s%s",
                  fence->is_own_file ? "" : ", or this state does behind `setfattr -x user.weir ",
                  fence->is_own_file ? "" : path, fence->is_own_file ? "" : "`");
    return WR_EREFUSED;
}

/* A kill between the state and the mark leaves that of the checkpoint before, and a power cut may
 * bring back an older one. */
static int is_known(const struct wr_fence *fence, const struct mark *mark) {
    const struct wr_fence_place *kept = &fence->kept;
    int knows = mark->life == kept->life;
    if (mark->epoch >= kept->epoch)
        return mark->epoch == kept->epoch && knows;
    for (size_t i = 0; i < WR_FENCE_LIVES; i++)
        knows |= mark->life == fence->before[i];
    return knows;
}

/* Whether the mark is of other contents than stand there. */
static int is_put_back(const struct wr_fence *fence, const struct wr_file *file,
                       const struct mark *mark, uint64_t length) {
    struct wr_file_info info;
    return !fence->is_own_file && fence->env->info(file, &info) == WR_OK &&
           info.size_bytes == length && mark->written != length &&
           mark->written + mark->more != length;
}

static int judge(const struct wr_fence *fence, struct wr_file *file, const char *path,
                 uint64_t length, struct mark *mark, enum wr_fence_tail *tail,
                 struct wr_error *err) {
    *tail = WR_FENCE_UNKNOWN;
    if (!read_mark(fence, file, mark)) {
        if (fence->marked != 0 && fence->marked == fence->boot)
            *tail = WR_FENCE_COPIED;
        return WR_OK;
    }
    if (mark->identity != fence->identity) {
        *tail = WR_FENCE_OTHERS;
        return WR_OK;
    }
    if (!is_known(fence, mark))
        return is_put_back(fence, file, mark, length) ? WR_OK : fenced(fence, mark, path, err);
    /* Behind a kill between the two the state is ahead, and nothing was written meanwhile. */
    if (mark->boot != 0 && mark->boot == fence->boot)
        *tail = WR_FENCE_OURS;
    return WR_OK;
}

static int is_asked(const struct wr_fence *fence, int goes_back) {
    return fence->identity != 0 && fence->kept.epoch != 0 && !goes_back;
}

int wr_fence_judge(const struct wr_fence *fence, struct wr_file *file, const char *path,
                   uint64_t length, int goes_back, struct wr_error *err) {
    struct mark mark;
    enum wr_fence_tail tail;
    return is_asked(fence, goes_back) ? judge(fence, file, path, length, &mark, &tail, err) : WR_OK;
}

/* Where a kill came between the mark and the bytes, those of others may stand in their place. */
static uint64_t written_of(struct wr_file *file, const struct mark *mark) {
    char bytes[HEAD_BYTES_MAX];
    int64_t got = wr_env_read_whole(
        file, bytes, WR_MIN((uint64_t)mark->more, (uint64_t)sizeof bytes), mark->written);
    int is_there = got > 0;
    for (size_t i = 0; i < WR_COUNT(head_bytes) && (int64_t)head_bytes[i] <= got; i++)
        is_there &= mark->heads[i] == (uint8_t)wr_hash_bytes(bytes, head_bytes[i], 2);
    return mark->written + (is_there ? mark->more : 0);
}

int wr_fence_judge_at(const struct wr_fence *fence, const char *path, uint64_t length,
                      int goes_back, struct wr_fence_found *found, struct wr_error *err) {
    struct wr_file *file;
    struct mark mark;
    *found = (struct wr_fence_found){.tail = WR_FENCE_UNKNOWN};
    if (!is_asked(fence, goes_back))
        return WR_OK;
    struct wr_error refused = {0};
    int status = fence->env->open(fence->env, path, WR_FILE_READ, &file, &refused);
    if (status == WR_ENOENT || strcmp(refused.code, WR_FENCE_UNREADABLE) == 0)
        return WR_OK;
    if (status != WR_OK) {
        if (err != NULL)
            *err = refused;
        return status;
    }
    status = judge(fence, file, path, length, &mark, &found->tail, err);
    if (status == WR_OK && found->tail == WR_FENCE_OURS) {
        found->written = written_of(file, &mark);
        found->is_old = fence->is_own_file && mark.written < fence->turn_kept;
    }
    fence->env->close(file);
    return status;
}

int wr_fence_judge_new(const struct wr_fence *fence, struct wr_file *file, const char *path,
                       struct wr_error *err) {
    struct mark mark;
    if (fence->identity == 0 || !read_mark(fence, file, &mark))
        return WR_OK;
    return mark.identity == fence->identity && mark.epoch > 0 ? fenced(fence, &mark, path, err)
                                                              : WR_OK;
}

int wr_fence_judge_new_at(const struct wr_fence *fence, const char *path, struct wr_error *err) {
    struct wr_file *file;
    if (fence->identity == 0)
        return WR_OK;
    int status = fence->env->open(fence->env, path, WR_FILE_READ, &file, NULL);
    if (status != WR_OK) /* there is none, or who writes to it will say so */
        return WR_OK;
    status = wr_fence_judge_new(fence, file, path, err);
    fence->env->close(file);
    return status;
}

static int set_mark(struct wr_fence *fence, struct wr_file *file, uint64_t length,
                    const char *bytes, uint64_t more, struct wr_error *err) {
    if (fence->identity == 0 || fence->has_no_marks)
        return WR_OK;
    struct mark mark = {.identity = fence->identity,
                        .epoch = fence->kept.epoch,
                        .life = fence->kept.life,
                        .written = length,
                        .boot = fence->boot,
                        .more = (uint32_t)WR_MIN(more, (uint64_t)UINT32_MAX)};
    for (size_t i = 0; i < WR_COUNT(head_bytes) && head_bytes[i] <= more; i++)
        mark.heads[i] = (uint8_t)wr_hash_bytes(bytes, head_bytes[i], 2);
    if (fence->is_own_file)
        return put_own(fence, file, &mark, err);
    mark.sum = sum_of(&mark);
    int status = fence->env->set_mark(file, &mark, sizeof mark, err);
    fence->has_no_marks = status == WR_EUNSUPPORTED;
    fence->is_marked = status == WR_OK;
    return fence->has_no_marks ? WR_OK : status;
}

int wr_fence_mark(struct wr_fence *fence, struct wr_file *file, uint64_t length,
                  struct wr_error *err) {
    return set_mark(fence, file, length, NULL, 0, err);
}

int wr_fence_clear(struct wr_fence *fence, struct wr_file *file, struct wr_error *err) {
    if (fence->identity == 0 || fence->has_no_marks || file == NULL)
        return WR_OK;
    int status = fence->env->set_mark(file, NULL, 0, err);
    return status == WR_EUNSUPPORTED ? WR_OK : status;
}

int wr_fence_take(struct wr_fence *fence, struct wr_file *file, uint64_t length,
                  struct wr_error *err) {
    int status = wr_fence_mark(fence, file, length, err);
    int is_marked = status == WR_OK && fence->identity != 0 && !fence->has_no_marks;
    return is_marked ? fence->env->sync(file, err) : status;
}

void wr_fence_commit(struct wr_fence *fence) {
    if (fence->kept.life != fence->life) {
        memmove(fence->before + 1, fence->before, sizeof fence->before - sizeof *fence->before);
        fence->before[0] = fence->kept.life;
    }
    fence->kept = (struct wr_fence_place){.epoch = fence->epoch, .life = fence->life};
}

/* ---- while it is written ------------------------------------------------------------------- */

int wr_fence_hold(const struct wr_fence *fence, struct wr_file *file, const char *path,
                  struct wr_error *err) {
    int status = fence->env->hold(file, err);
    if (status == WR_EUNSUPPORTED)
        return WR_OK;
    if (status != WR_EREFUSED)
        return status;
    wr_error_set(err, WR_EREFUSED, "%s: another run writes to it, and holds `%s`", fence->name,
                 path);
    wr_error_help(err, "let one run at a time write there, or give this one another place");
    return WR_EREFUSED;
}

static int changed(struct wr_error *err) {
    wr_error_code(err, CODE_CHANGED);
    wr_error_help(err,
                  "nothing of it was touched; with `--state` put it back as it was, and the next "
                  "run goes on from the last checkpoint");
    return WR_EREFUSED;
}

static int check_length(const struct wr_file_info *info, const char *path, uint64_t length,
                        struct wr_error *err) {
    if (info->size_bytes == length)
        return WR_OK;
    if (info->size_bytes > length)
        wr_error_set(err, WR_EREFUSED,
                     "%s: behind the %" PRIu64 " bytes that this run left there stand %" PRIu64
                     " more: another program has written to it meanwhile",
                     path, length, info->size_bytes - length);
    else
        wr_error_set(err, WR_EREFUSED,
                     "%s: it has %" PRIu64 " bytes, and this run left %" PRIu64
                     ": another program has cut it meanwhile",
                     path, info->size_bytes, length);
    return changed(err);
}

static int look(const struct wr_env *env, const struct wr_file *file, const char *path,
                struct wr_file_info *info, struct wr_error *err) {
    return env->info(file, info) == WR_OK
               ? WR_OK
               : wr_error_set(err, WR_EIO, "look at %s: %s", path, wr_status_text(WR_EIO));
}

int wr_fence_before(struct wr_fence *fence, struct wr_file *file, const char *path, uint64_t length,
                    const char *bytes, uint64_t more, struct wr_error *err) {
    struct wr_file_info info;
    int status = look(fence->env, file, path, &info, err);
    if (status == WR_OK && info.is_regular)
        status = check_length(&info, path, length, err);
    return status == WR_OK ? set_mark(fence, file, length, bytes, more, err) : status;
}

static int gone(const char *path, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s: it was moved or removed while this run wrote to it, or its directory was",
                 path);
    return changed(err);
}

static int check_name(const struct wr_env *env, const struct wr_file_info *info, const char *path,
                      struct wr_error *err) {
    struct wr_file_info named;
    int status = env->stat(env, path, &named);
    if (status != WR_OK && status != WR_ENOENT)
        return wr_error_set(err, status, "look at %s: %s", path, wr_status_text(status));
    if (status == WR_OK && named.inode == info->inode && named.device == info->device)
        return WR_OK;
    if (status == WR_ENOENT)
        return gone(path, err);
    wr_error_set(err, WR_EREFUSED,
                 "%s: another file has taken its place while this run wrote to it", path);
    return changed(err);
}

int wr_fence_check_directory(const struct wr_env *env, const char *path,
                             const struct wr_file_info *before, struct wr_error *err) {
    struct wr_file_info now;
    int status = env->stat(env, path, &now);
    if (status != WR_OK && status != WR_ENOENT)
        return wr_error_set(err, status, "look at %s: %s", path, wr_status_text(status));
    int is_same = status == WR_OK && now.inode == before->inode && now.device == before->device;
    return is_same ? WR_OK : gone(path, err);
}

int wr_fence_check_name(const struct wr_env *env, const struct wr_file *file, const char *path,
                        struct wr_error *err) {
    struct wr_file_info info;
    int status = look(env, file, path, &info, err);
    return status == WR_OK ? check_name(env, &info, path, err) : status;
}

int wr_fence_check(const struct wr_env *env, const struct wr_file *file, const char *path,
                   uint64_t length, struct wr_error *err) {
    struct wr_file_info info;
    int status = look(env, file, path, &info, err);
    if (status == WR_OK && info.is_regular)
        status = check_name(env, &info, path, err);
    return status == WR_OK && info.is_regular ? check_length(&info, path, length, err) : status;
}

int wr_fence_check_left(const char *path, const struct wr_file_info *info, uint64_t length,
                        struct wr_error *err) {
    return info == NULL ? gone(path, err) : check_length(info, path, length, err);
}
