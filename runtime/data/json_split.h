/* json_split.h: where the records of a JSON file lie: an object, an array of objects, or objects
 * one after the other. Splitting looks at brackets and quotes only; what stands between is checked
 * by whoever reads the piece, so a broken record costs itself and no other. */
#pragma once
#include <stdint.h>

struct wr_json_split {
    const char *at, *end;
    uint8_t by_line; /* NDJSON: a record a line */
    uint8_t in_array;
    uint8_t after; /* a record has been read in this array: `,` or `]` comes */
    uint8_t after_comma;
    /* How far a record that is too long has been passed over. */
    uint8_t skipping, in_string, escape;
    uint32_t depth;
};

struct wr_json_piece {
    const char *at, *end;
    const char *fault; /* what is wrong between the records; the piece shows it */
};

/* The next record. 0: none ends before `end`; with `last` there is no more. Blanks before it are
 * passed over in any case, so that `split->at` is where the record begins. */
int wr_json_split_next(struct wr_json_split *split, struct wr_json_piece *piece, int last);
/* Goes over the rest of a record of which the beginning was at split->at. 1 when it has ended. */
int wr_json_split_skip(struct wr_json_split *split);
