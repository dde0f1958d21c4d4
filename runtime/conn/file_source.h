/* file_source.h: what binding a source of files leaves for its running: `file` reads what is there,
 * `follow` one file that grows, `watch` a directory or glob that fills. Private to the room. */
#pragma once
#include <stdint.h>

#include "conn/endpoint.h"
#include "data/codec.h"

#define WR_FILES_MAX 100000             /* of one glob */
#define WR_SAMPLE_BYTES_MAX (16u << 20) /* decompressed bytes from which a schema is inferred */

struct wr_file_config {
    const char *address;      /* as written: a path, a glob, "-" */
    const char *const *files; /* by name; NULL: to be found when the source is opened */
    uint32_t file_count;
    uint8_t each;            /* every file is a partition */
    uint8_t follows;         /* the source never ends: `follow`, `watch` */
    uint8_t schema_given;    /* by the script, or its lock file */
    uint8_t check_all, fail; /* check = "all"; on_error = "fail" */
    const struct wr_decoder_type *format;
    const struct wr_value *options; /* the format's */
    /* Of an inferred schema, one a field: the kinds of its values where it has several. */
    const char *const *mixed;
    const char *timezone;
    uint64_t ratio_max;
    uint32_t record_bytes_max;
};

/* The files that `address` means, sorted by name, in `arena`. W401 with the nearest names. */
int wr_file_find(const struct wr_env *env, const char *address, struct wr_arena *arena,
                 const char *const **files, uint32_t *file_count, struct wr_error *err);
/* Such a file cannot be followed: W203. */
int wr_file_is_compressed(const char *address, struct wr_error *err);
int wr_file_source_bind(struct wr_endpoint_bind *bind, struct wr_error *err);
