/* partition_others.c: what a run of another state has left in a directory for good, as it seems:
 * its fence, written anew with each checkpoint, is old. Nobody else can tell whether that state
 * goes on one day, so it is only told. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/status.h"
#include "conn/partition.h"
#include "base/banned.h"

#define DAY_US (INT64_C(24) * 3600 * 1000000)
#define TOKEN_LENGTH 8 /* ".weir.9f2c41d0.part" */

struct others {
    const struct partition_sink *self;
    int64_t now_us, latest_us; /* of them */
    uint32_t count;
    char token[TOKEN_LENGTH + 1]; /* of the first */
};

static int look_at(void *ctx, const char *path) {
    struct others *others = ctx;
    const struct wr_env *env = others->self->base.env;
    const char *token = strrchr(path, '/') + 1 + strlen(".weir.");
    struct wr_file_info info;
    char own[TOKEN_LENGTH + 1];
    snprintf(own, sizeof own, "%08" PRIx32, others->self->token);
    if (strlen(token) != TOKEN_LENGTH + strlen(".part") || strncmp(token, own, TOKEN_LENGTH) == 0 ||
        env->stat(env, path, &info) != WR_OK || info.modified_us > others->now_us - DAY_US)
        return 0;
    if (others->count++ == 0)
        memcpy(others->token, token, TOKEN_LENGTH);
    if (info.modified_us > others->latest_us)
        others->latest_us = info.modified_us;
    return 0;
}

void partition_tell_others(const struct partition_sink *self) {
    const struct wr_env *env = self->base.env;
    const char *directory = self->config->directory;
    char pattern[PARTITION_PATH_MAX], text[PARTITION_PATH_MAX + 512], more[48] = "";
    struct others others = {.self = self, .now_us = env->now_us(env), .latest_us = WR_TIME_MIN};
    int length = snprintf(pattern, sizeof pattern, "%s.weir.????????.part", directory);
    if (self->base.note == NULL || length >= (int)sizeof pattern ||
        env->glob(env, pattern, look_at, &others, NULL) != WR_OK || others.count == 0)
        return;
    if (others.count > 1)
        snprintf(more, sizeof more, " and %" PRIu32 " more", others.count - 1);
    int64_t days = (others.now_us - others.latest_us) / DAY_US;
    snprintf(text, sizeof text,
             "`.weir.%s.part`%s: of runs of other states, which have written nothing for %" PRId64
             " day%s; where such a state is gone for good, `find %s -name '.*.%s.part' -delete` "
             "removes what it has left",
             others.token, more, days, days == 1 ? "" : "s", directory, others.token);
    self->base.note(self->base.note_ctx, directory, text);
}
