#include "state/scratch.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/banned.h"

#define UNIT_NONE UINT32_MAX /* ends a chain */

struct wr_scratch {
    const struct wr_env *env;
    struct wr_budget *budget;
    struct wr_file *file; /* NULL until something is put */
    uint32_t unit_bytes;
    uint32_t unit_count, unit_room; /* that the file has; entries of `next` */
    uint32_t *next;                 /* of a blob's units, and of the free ones */
    uint32_t free_first, free_count;
    uint32_t used_peak; /* units */
};

/* Units that lie behind each other are moved by one call. */
struct stretch {
    uint32_t first, count;
};

int wr_scratch_new(struct wr_scratch **made, const struct wr_env *env, struct wr_budget *budget,
                   uint32_t unit_bytes) {
    WR_ASSERT(unit_bytes > 0);
    struct wr_scratch *scratch = wr_alloc_zero(budget, sizeof *scratch);
    if (scratch == NULL)
        return WR_ENOMEM;
    scratch->env = env;
    scratch->budget = budget;
    scratch->unit_bytes = unit_bytes;
    scratch->free_first = UNIT_NONE;
    *made = scratch;
    return WR_OK;
}

void wr_scratch_free(struct wr_scratch *scratch) {
    if (scratch == NULL)
        return;
    if (scratch->file != NULL)
        scratch->env->close(scratch->file);
    wr_free(scratch->budget, scratch->next);
    wr_free(scratch->budget, scratch);
}

uint64_t wr_scratch_bytes(const struct wr_scratch *scratch) {
    return scratch == NULL
               ? 0
               : (uint64_t)(scratch->unit_count - scratch->free_count) * scratch->unit_bytes;
}

uint64_t wr_scratch_bytes_peak(const struct wr_scratch *scratch) {
    return scratch == NULL ? 0 : (uint64_t)scratch->used_peak * scratch->unit_bytes;
}

static uint32_t units_of(const struct wr_scratch *scratch, uint64_t length) {
    return (uint32_t)((length + scratch->unit_bytes - 1) / scratch->unit_bytes);
}

/* The units from `unit` on, at most `count`, that lie behind each other; `*after` follows them. */
static struct stretch stretch_at(const struct wr_scratch *scratch, uint32_t unit, uint32_t count,
                                 uint32_t *after) {
    struct stretch stretch = {.first = unit, .count = 1};
    while (stretch.count < count && scratch->next[unit] == unit + 1) {
        unit++;
        stretch.count++;
    }
    *after = scratch->next[unit];
    return stretch;
}

/* ---- in ---- */

/* Chains `count` units, free ones first; nothing has changed when there is no memory for them. */
static int take_units(struct wr_scratch *scratch, uint32_t count, uint32_t *first) {
    uint32_t reused = WR_MIN(count, scratch->free_count), fresh = count - reused;
    if (fresh > UNIT_NONE - 1 - scratch->unit_count)
        return WR_ELIMIT;
    while (scratch->unit_count + fresh > scratch->unit_room)
        if (wr_grow(scratch->budget, (void **)&scratch->next, scratch->unit_room,
                    &scratch->unit_room, sizeof *scratch->next) != WR_OK)
            return WR_ENOMEM;
    uint32_t *link = first;
    for (uint32_t i = 0; i < reused; i++) {
        *link = scratch->free_first;
        link = &scratch->next[scratch->free_first];
        scratch->free_first = *link;
    }
    for (uint32_t i = 0; i < fresh; i++) {
        *link = scratch->unit_count++;
        link = &scratch->next[*link];
    }
    *link = UNIT_NONE;
    scratch->free_count -= reused;
    scratch->used_peak = WR_MAX(scratch->used_peak, scratch->unit_count - scratch->free_count);
    return WR_OK;
}

static int write_units(struct wr_scratch *scratch, uint32_t unit, const char *bytes,
                       uint64_t length, struct wr_error *err) {
    int status = WR_OK;
    while (length > 0 && status == WR_OK) {
        uint32_t after;
        struct stretch part = stretch_at(scratch, unit, units_of(scratch, length), &after);
        uint64_t size = WR_MIN((uint64_t)part.count * scratch->unit_bytes, length);
        status = scratch->env->write_at(scratch->file, bytes, size,
                                        (uint64_t)part.first * scratch->unit_bytes, err);
        bytes += size;
        length -= size;
        unit = after;
    }
    return status;
}

static int failed(int status, struct wr_error *err) {
    if (err != NULL && err->status == status)
        wr_error_help(err,
                      "it holds what `memory` has no room for: set TMPDIR to a directory with "
                      "more room%s, or `weir.settings { memory = \"4GB\" }`",
                      strcmp(err->code, "W615") == 0 ? ", raise the limit" : "");
    return status;
}

int wr_scratch_put(struct wr_scratch *scratch, const void *bytes, size_t length,
                   struct wr_scratch_blob *blob, struct wr_error *err) {
    *blob = (struct wr_scratch_blob){0};
    if (length > WR_SCRATCH_LENGTH_MAX)
        return WR_ELIMIT;
    int status = scratch->file != NULL
                     ? WR_OK
                     : scratch->env->open_scratch(scratch->env, &scratch->file, err);
    if (status != WR_OK)
        return failed(status, err);
    uint32_t first;
    status = take_units(scratch, units_of(scratch, length), &first);
    if (status != WR_OK)
        return status;
    *blob = (struct wr_scratch_blob){
        .hash = wr_hash_bytes(bytes, length, first), .first = first, .length = (uint32_t)length};
    status = write_units(scratch, first, bytes, length, err);
    if (status == WR_OK)
        return WR_OK;
    wr_scratch_drop(scratch, blob);
    return failed(status, err);
}

/* ---- out ---- */

static int read_whole(const struct wr_scratch *scratch, char *bytes, uint64_t length, uint64_t at,
                      struct wr_error *err) {
    int64_t got = wr_env_read_whole(scratch->file, bytes, length, at);
    if (got < 0)
        return wr_error_set(err, (int)got, "read a scratch file: %s", wr_status_text((int)got));
    return (uint64_t)got == length
               ? WR_OK
               : wr_error_set(err, WR_ECORRUPT, "read a scratch file: it is shorter than it was");
}

int wr_scratch_get(const struct wr_scratch *scratch, const struct wr_scratch_blob *blob,
                   void *bytes, struct wr_error *err) {
    uint32_t unit = blob->first;
    uint64_t left = blob->length;
    char *to = bytes;
    while (left > 0) {
        uint32_t after;
        struct stretch part = stretch_at(scratch, unit, units_of(scratch, left), &after);
        uint64_t size = WR_MIN((uint64_t)part.count * scratch->unit_bytes, left);
        int status = read_whole(scratch, to, size, (uint64_t)part.first * scratch->unit_bytes, err);
        if (status != WR_OK)
            return status;
        to += size;
        left -= size;
        unit = after;
    }
    if (wr_hash_bytes(bytes, blob->length, blob->first) == blob->hash)
        return WR_OK;
    return wr_error_set(err, WR_ECORRUPT, "a scratch file holds other bytes than were written");
}

void wr_scratch_drop(struct wr_scratch *scratch, struct wr_scratch_blob *blob) {
    if (blob->length == 0)
        return;
    uint32_t count = units_of(scratch, blob->length), last = blob->first;
    for (uint32_t i = 1; i < count; i++)
        last = scratch->next[last];
    WR_ASSERT(scratch->next[last] == UNIT_NONE);
    scratch->next[last] = scratch->free_first;
    scratch->free_first = blob->first;
    scratch->free_count += count;
    *blob = (struct wr_scratch_blob){0};
}
