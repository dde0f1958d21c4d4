/* file_append.h: rows that stood in a file beside, until an audit let them through, go behind those
 * of another file. Private to the room.
 *
 *   copied behind `at` -> synced -> the file beside is removed for good
 *
 * Cut off anywhere it can be done once more: as long as the file beside is there, what stands
 * behind `at` is the beginning of a copy of it (with zeros in it where the power had gone), and is
 * cut; or all of it, and then it is synced only; or what another program wrote. So a life behind a
 * kill needs to know no more than `at`. */
#pragma once
#include <stdint.h>

struct wr_budget;
struct wr_env;
struct wr_error;

struct wr_file_append {
    const struct wr_env *env;
    struct wr_budget *budget; /* of the bytes on their way */
    const char *from, *to;
    uint64_t at;     /* how long `to` is without them */
    uint64_t length; /* of `from` */
    int is_again;    /* an earlier life may have begun with it */
    int is_known;    /* `at` stands in a state: nothing else may have been written meanwhile */
};

/* Refuses where another program has written to `to`. After a failure `to` is as it was, or will be
 * when this is done once more. */
int wr_file_append(const struct wr_file_append *append, struct wr_error *err);
