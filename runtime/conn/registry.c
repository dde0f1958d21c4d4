/* registry.c: which connectors there are, by the kind of an endpoint. */
#include "conn/connectors.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/banned.h"

static const struct wr_source_type *const sources[] = {
    &wr_source_file,   &wr_source_rows,    &wr_source_generate,
    &wr_source_sqlite, &wr_source_nexmark, &wr_source_postgres,
    &wr_source_follow, &wr_source_watch,   NULL};
static const struct wr_sink_type *const sinks[] = {
    &wr_sink_file, &wr_sink_partitions, &wr_sink_sqlite,   &wr_sink_print, &wr_sink_stdout,
    &wr_sink_tap,  &wr_sink_blackhole,  &wr_sink_postgres, &wr_sink_audit, &wr_sink_state,
    NULL};

const struct wr_source_type *wr_source_find(const char *kind) {
    for (unsigned i = 0; sources[i] != NULL; i++)
        if (strcmp(sources[i]->name, kind) == 0)
            return sources[i];
    return NULL;
}

const struct wr_sink_type *wr_sink_find(const char *kind) {
    for (unsigned i = 0; sinks[i] != NULL; i++)
        if (strcmp(sinks[i]->name, kind) == 0)
            return sinks[i];
    return NULL;
}

const struct wr_source_type *wr_source_at(uint32_t number) {
    return number < WR_COUNT(sources) ? sources[number] : NULL;
}

const struct wr_sink_type *wr_sink_at(uint32_t number) {
    return number < WR_COUNT(sinks) ? sinks[number] : NULL;
}

const char *wr_delivery_text(enum wr_delivery delivery) {
    static const char *const texts[] = {[WR_DELIVERY_PLAIN] = "plain",
                                        [WR_DELIVERY_IDEMPOTENT] = "decides",
                                        [WR_DELIVERY_ATOMIC] = "follows"};
    return texts[delivery];
}

uint64_t wr_sink_token(const struct wr_sink *sink) {
    return sink->identity != 0 ? sink->identity : sink->env->random_u64(sink->env);
}
