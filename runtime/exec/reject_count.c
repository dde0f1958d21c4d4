/* reject_count.c: rejects by stage and code, as the end of a run tells them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/reject.h"
#include "exec/past.h"
#include "exec/reject.h"
#include "exec/unit.h"
#include "base/banned.h"

static void cut(char *room, size_t size, const char *text) {
    snprintf(room, size, "%s", text == NULL ? "" : text);
}

/* The example is the first in the order of records, whichever comes first here. */
static int is_before(const struct reject_entry *entry, const struct wr_reject_kind *kind) {
    if (entry->source != kind->order.source)
        return entry->source < kind->order.source;
    if (entry->partition != kind->order.partition)
        return entry->partition < kind->order.partition;
    if (entry->record != kind->order.record)
        return entry->record < kind->order.record;
    if (entry->at != kind->order.at)
        return entry->at < kind->order.at;
    char detail[sizeof kind->detail]; /* of groups, which come in the order of their shards */
    cut(detail, sizeof detail, entry->detail);
    return !reject_has_record(entry) && strcmp(detail, kind->detail) < 0;
}

static void keep_example(struct wr_reject_kind *kind, const struct reject_entry *entry) {
    kind->order.source = entry->source;
    kind->order.partition = entry->partition;
    kind->order.record = entry->record;
    kind->order.at = entry->at;
    cut(kind->source, sizeof kind->source, entry->source_name);
    cut(kind->position, sizeof kind->position, entry->position);
    cut(kind->reason, sizeof kind->reason, entry->reason);
    cut(kind->detail, sizeof kind->detail, entry->detail);
    cut(kind->raw, sizeof kind->raw, entry->raw);
}

void reject_count(struct wr_run *run, const struct reject_entry *entry) {
    struct wr_summary *summary = &run->summary;
    uint32_t node = entry->unit->node->id;
    summary->rejected += !entry->only_warns;
    summary->late += entry->code == WR_REJECT_LATE;
    struct wr_reject_kind *kind = NULL;
    for (uint32_t i = 0; i < summary->kind_count && kind == NULL; i++)
        if (summary->kinds[i].node == node && summary->kinds[i].code == entry->code &&
            summary->kinds[i].only_warns == entry->only_warns)
            kind = &summary->kinds[i];
    if (kind == NULL) {
        if (summary->kind_count == WR_REJECT_KINDS_MAX)
            return; /* still in `rejected` */
        kind = &summary->kinds[summary->kind_count++];
        *kind = (struct wr_reject_kind){
            .node = node, .code = entry->code, .only_warns = entry->only_warns};
        keep_example(kind, entry);
    } else if (is_before(entry, kind)) {
        keep_example(kind, entry);
    }
    kind->count++;
}

static int by_stage(const void *a, const void *b) {
    const struct wr_reject_kind *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return x->only_warns - y->only_warns;
}

void reject_counts_sort(struct wr_run *run) {
    qsort(run->summary.kinds, run->summary.kind_count, sizeof *run->summary.kinds, by_stage);
}

void reject_counts_forget(struct wr_run *run) {
    for (uint32_t i = 0; i < run->summary.kind_count; i++)
        if (run->summary.kinds[i].code == WR_REJECT_LATE)
            run->summary.late -= run->summary.kinds[i].count;
    run->summary.kind_count = 0;
    run->summary.rejected = 0;
}

int reject_counts_save(const struct wr_run *run, struct wr_buf *out) {
    const struct wr_summary *summary = &run->summary;
    wr_buf_add_u32(out, summary->kind_count);
    for (uint32_t i = 0; i < summary->kind_count; i++) {
        const struct wr_reject_kind *kind = &summary->kinds[i];
        const char *const texts[] = {kind->source, kind->position, kind->reason, kind->detail,
                                     kind->raw};
        wr_buf_add_u32(out, run_number(run, kind->node));
        wr_buf_add_u32(out, (uint32_t)kind->code);
        wr_buf_add_u32(out, (uint32_t)kind->only_warns);
        wr_buf_add_u64(out, kind->count);
        wr_buf_add_u32(out, kind->order.source);
        wr_buf_add_u32(out, kind->order.partition);
        wr_buf_add_u64(out, kind->order.record);
        wr_buf_add_u64(out, (uint64_t)kind->order.at);
        for (size_t t = 0; t < WR_COUNT(texts); t++)
            wr_buf_add(out, texts[t], strlen(texts[t]) + 1);
    }
    return out->status;
}

static void load_text(struct wr_reader *in, char *room, size_t size) {
    const char *text = in->bytes + in->at;
    size_t left = in->failed ? 0 : in->length - in->at, length = strnlen(text, left);
    if (wr_reader_bytes(in, length + 1) != NULL)
        cut(room, size, text);
}

int reject_counts_load(struct wr_run *run, struct wr_reader *in) {
    struct wr_summary *summary = &run->summary;
    uint32_t count = wr_reader_u32(in);
    if (count > WR_REJECT_KINDS_MAX)
        return WR_ECORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        struct wr_reject_kind *kind = &summary->kinds[summary->kind_count];
        kind->node = run_node_numbered(run, wr_reader_u32(in));
        kind->code = (int)wr_reader_u32(in);
        kind->only_warns = (int)wr_reader_u32(in);
        kind->count = wr_reader_u64(in);
        kind->order.source = wr_reader_u32(in);
        kind->order.partition = wr_reader_u32(in);
        kind->order.record = wr_reader_u64(in);
        kind->order.at = (int64_t)wr_reader_u64(in);
        load_text(in, kind->source, sizeof kind->source);
        load_text(in, kind->position, sizeof kind->position);
        load_text(in, kind->reason, sizeof kind->reason);
        load_text(in, kind->detail, sizeof kind->detail);
        load_text(in, kind->raw, sizeof kind->raw);
        if (in->failed)
            return WR_ECORRUPT;
        summary->kind_count += kind->node != PAST_NONE; /* else its stage is gone */
    }
    return in->failed ? WR_ECORRUPT : WR_OK;
}
