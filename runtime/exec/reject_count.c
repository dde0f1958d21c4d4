/* reject_count.c: rejects by stage and code, as the end of a run tells them. */
#include <stdio.h>
#include <stdlib.h>

#include "exec/reject.h"
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
    return entry->at < kind->order.at;
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
