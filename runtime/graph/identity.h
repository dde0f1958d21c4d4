/* identity.h: what a stage means, whatever line it stands on and whatever stands beside it: so that
 * the state of a changed script finds its stages again. Of a finished plan; in its arena. */
#pragma once
#include <stdint.h>

#include "graph/plan.h"

/* One fact that a stage's author wrote, by the name under which it stands in the stage's spec. */
struct wr_fact {
    const char *name; /* "items", "window", … */
    uint64_t hash;
};

struct wr_identity {
    const char *given;   /* `name =` of the script; NULL: none */
    const char *address; /* of a source or sink: "file in.csv", "sqlite o.db delays"; else NULL */
    const char *place;   /* "clicks.lua:12:3"; "" where that is not known */
    uint64_t own;        /* of all that stands in its spec, and a source's schema */
    uint64_t meaning;    /* of that and of the meanings of its inputs, up to the sources. Equal: the
                          * same rows in give the same rows out */
    uint64_t schema;     /* of its output */
    uint32_t fact_count;
    const struct wr_fact *facts; /* what `own` is made of, in the order of their names */
};

/* One for each node, by number. NULL: out of memory. */
const struct wr_identity *wr_plan_identify(struct wr_plan *plan);
