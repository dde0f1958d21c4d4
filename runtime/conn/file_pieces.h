/* file_pieces.h: the files of a source, read by several threads in the order in which one would.
 *
 * Who *cuts* reads a piece into a buffer and looks where its last record ends (`records_end` of the
 * format): up to there another decoder reads it, and meanwhile the next piece is cut. What stands
 * at the head of a file, and a record that is passed over since it is too long, is decoded by the
 * one who cuts. Lines and records are counted from the start of a piece; who takes the piece knows
 * how many came before. A compressed file is unpacked by who cuts.
 *
 *     file ─ cut ─ piece ─ decoder of its slot ─ batches, rejects ─ poll: numbers, position
 *
 * Private to the room. Threads: new, poll, position, progress and free by that of the run. */
#pragma once
#include "conn/file_reader.h"

struct file_pieces;
struct wr_workers;

/* Where the next poll begins. */
struct file_position {
    uint32_t file_index; /* of the files; as many as there are: behind the last one */
    int is_open;         /* in this file, at: */
    uint64_t record, line, offset, sum;
    const struct wr_buf *state; /* of the decoder */
};

/* `in` stands in file `file_index`, or before it where it is not open, and belongs to the pieces
 * from the first poll on. WR_EREFUSED: it is read by one thread: the standard input, a format that
 * must be read to find its records, or a limit on their number. Else WR_OK or WR_ENOMEM. */
int file_pieces_new(struct file_pieces **made, struct file_reader *in, const char *const *files,
                    uint32_t file_count, uint32_t file_index, struct wr_workers *workers);
void file_pieces_free(struct file_pieces *pieces); /* NULL is allowed */
int file_pieces_poll(struct file_pieces *pieces, struct wr_batch **batch, struct wr_error *err);
/* NULL: nothing was taken yet, `in` says it. */
const struct file_position *file_pieces_position(struct file_pieces *pieces);
/* Bytes read. */
uint64_t file_pieces_done(const struct file_pieces *pieces);
