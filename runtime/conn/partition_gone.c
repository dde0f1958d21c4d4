/* partition_gone.c: files of a partitioned directory that were complete, and are under neither of
 * their names when the run goes on. Readers of such directories take finished files away, which is
 * what rolling is for: what the state has noted just before it was renamed (`NAMED`) was taken, and
 * nothing is wrong. What has no such note is lost: to refuse would bring nothing back, so the run
 * goes on and says how many rows that were. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/named.h"
#include "conn/partition.h"
#include "base/banned.h"

#define CODE_LOST "W625"
#define TEXT_MAX (PARTITION_PATH_MAX + 512)

int partition_was_taken(struct partition_sink *self, const char *path, int *was_taken,
                        struct wr_error *err) {
    int status = wr_named_look(&self->base, path, was_taken, err);
    self->gone.taken += status == WR_OK && *was_taken;
    return status;
}

int partition_is_gone(struct partition_sink *self, const char *path, uint64_t rows, int *was_taken,
                      struct wr_error *err) {
    struct partition_gone *gone = &self->gone;
    int status = partition_was_taken(self, path, was_taken, err);
    if (status != WR_OK || *was_taken)
        return status;
    if (gone->lost++ == 0) {
        gone->example = wr_strndup(self->base.budget, path, strlen(path));
        if (gone->example == NULL)
            return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    }
    gone->rows = rows == UINT64_MAX || gone->rows == UINT64_MAX ? UINT64_MAX : gone->rows + rows;
    return WR_OK;
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static void tell_lost(const struct partition_sink *self) {
    const struct partition_gone *gone = &self->gone;
    int one = gone->lost == 1;
    char text[TEXT_MAX], rows[48] = "";
    if (gone->rows != UINT64_MAX)
        snprintf(rows, sizeof rows, " with %" PRIu64 " row%s", gone->rows, plural(gone->rows));
    snprintf(text, sizeof text,
             "%s: %" PRIu64 " complete file%s%s %s gone (%s`%s`), and nothing says that %s got %s "
             "before; the run goes on without %s",
             self->base.name, gone->lost, plural(gone->lost), rows, one ? "is" : "are",
             one ? "" : "the first is ", gone->example, one ? "it" : "they",
             one ? "its name" : "their names", one ? "it" : "them");
    if (self->base.warn != NULL)
        self->base.warn(self->base.warn_ctx, CODE_LOST, text);
}

void partition_tell_gone(struct partition_sink *self) {
    const struct partition_gone *gone = &self->gone;
    char text[160];
    if (gone->taken > 0 && self->base.note != NULL) {
        snprintf(text, sizeof text,
                 "%" PRIu64 " file%s that got %s name behind the last checkpoint %s taken away",
                 gone->taken, plural(gone->taken), gone->taken == 1 ? "its" : "their",
                 gone->taken == 1 ? "was" : "were");
        self->base.note(self->base.note_ctx, self->base.name, text);
    }
    if (gone->lost > 0)
        tell_lost(self);
}
