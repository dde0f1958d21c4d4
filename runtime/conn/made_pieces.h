/* made_pieces.h: rows that a source computes from their numbers, made by several threads in the
 * order in which one would. The numbers are dealt out in pieces, and who takes a piece gets its
 * batches in turn; so the source says where each ends, and its position is that of one thread.
 *
 *     0 ── piece ── piece ── piece ── … ── end
 *           make     make     make             any threads
 *              poll: batch, batch, …           the run's
 *
 * Private to the room. Threads: new, poll and free by that of the run. */
#pragma once
#include <stdint.h>

struct made_pieces;
struct wr_batch;
struct wr_error;
struct wr_held_rejects;
struct wr_source;
struct wr_workers;

struct made_numbers {
    uint64_t from, end;  /* the rows of these */
    uint32_t batch_rows; /* at most */
};

struct made_type {
    /* Of one piece at a time, zero at first: what making it needs. NULL: nothing. */
    uint32_t hand_bytes;
    int (*hand_init)(const struct wr_source *source, void *hand);
    void (*hand_release)(const struct wr_source *source, void *hand);
    /* The next batch (NULL: these numbers have no row), and the number behind it. It changes
     * nothing of the source. */
    int (*make)(const struct wr_source *source, void *hand, const struct made_numbers *numbers,
                struct wr_batch **batch, uint64_t *next, struct wr_held_rejects *rejects,
                struct wr_error *err);
};

/* Of the numbers `from` … `end` - 1; of `row_numbers` of them about one has a row. WR_OK or
 * WR_ENOMEM. */
int made_pieces_new(struct made_pieces **made, const struct made_type *type,
                    struct wr_source *source, struct wr_workers *workers, uint64_t from,
                    uint64_t end, uint32_t row_numbers);
void made_pieces_free(struct made_pieces *pieces); /* NULL is allowed */
/* As the source's own: the next batch, and the number behind it. Its rejects are told first. */
int made_pieces_poll(struct made_pieces *pieces, struct wr_batch **batch, uint64_t *next,
                     struct wr_error *err);
