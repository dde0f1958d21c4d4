/* file_reader.h: one file after the other, piece by piece, through a decoder: what sources of files
 * have in common. Which file is next, and where a restart stands, is theirs. Private to the room.
 *
 * A piece is FILE_PIECE_BYTES of decompressed data in a counted buffer, which the batches made of
 * it hold. What is left of it at its end, a piece of a record, is copied to the head of the next
 * buffer. A buffer that no batch holds any more is used again, so that a steady run allocates
 * nothing. */
#pragma once
#include "conn/file_source.h"
#include "conn/input.h"

#define FILE_PIECE_BYTES (512u << 10)
#define FILE_TAIL_BYTES (32u << 10) /* room for the piece of a record that comes before it */
#define FILE_BUFFERS_KEPT 16
#define FILE_KNOWN_BYTES \
    4096u /* of the head of a file, and before a position: what tells it again */
#define FILE_REJECTS_MAX 1024 /* of a poll that has found no good row */
#define FILE_PIECES_MAX 16u   /* of a poll */

/* What tells a file again that was read up to a byte. */
struct file_known {
    char head[FILE_KNOWN_BYTES]; /* the first bytes of the file */
    char past[FILE_KNOWN_BYTES]; /* the last ones before that byte */
    uint32_t head_length, past_length;
};
/* Bytes that follow those before. */
void file_known_add_head(struct file_known *known, const char *bytes, uint64_t length);
void file_known_add_past(struct file_known *known, const char *bytes, uint64_t length);
/* Of a file that was just opened, up to byte `offset`, to which it goes; WR_ECORRUPT where that is
 * too short, or cannot be unpacked. */
int file_known_read(struct file_known *known, struct wr_input *input, uint64_t offset,
                    struct wr_error *err);
/* A file with another sum was not read up to byte `offset`. */
uint64_t file_known_sum(const struct file_known *known, uint64_t offset);

struct file_reader {
    struct wr_source base;
    const struct wr_file_config *config;
    const char *path; /* of the file that is read, or was last; lent by the owner */
    int is_one;       /* there is no other file: what its header lacks, none has */
    struct wr_input input;
    int is_open;     /* `input` stands in `path` */
    int input_ended; /* all of the file is in `buffer` */
    struct wr_decoder *decoder;
    struct wr_buffer *buffer, *kept[FILE_BUFFERS_KEPT];
    uint64_t at, length;  /* of the buffer: what is not yet decoded */
    uint64_t offset;      /* decompressed byte of the file at `at` */
    int grows;            /* its end is not the end of the file: what it has there waits for more */
    uint64_t piece_bytes; /* of a file that grows: what is there, and often little */
    uint64_t piece_bytes_max;
    uint64_t ordinary_bytes; /* of a piece that is as long as there are; FILE_PIECE_BYTES or more */
    uint64_t record_bytes;   /* of those of the last batch, on average; 0: not known */
    struct file_known known; /* up to byte `past_at` of the buffer */
    uint64_t past_at;
    int wants_more;        /* the decoder has done all it can with the buffer */
    uint64_t reject_count; /* of the poll that runs */
    uint64_t bytes_before; /* of the files that are done */
    uint64_t note_hash;    /* of the last note */
    uint8_t tells_missing; /* of columns that never came, when a row has come */
    uint8_t row_came;
    struct wr_error *err;       /* of the poll that runs; for rejects that fail it */
    struct file_pieces *pieces; /* several threads read it; else NULL */
};

/* Makes the decoder. After a failure `file_reader_release` is not needed. */
int file_reader_init(struct file_reader *self, struct wr_error *err);
void file_reader_release(struct file_reader *self);
/* Opens `path` and stands at its start. Lends the path until the next call. */
int file_reader_begin(struct file_reader *self, const char *path, struct wr_error *err);
/* The same of a file that is open: lent until `file_reader_end`. */
int file_reader_begin_file(struct file_reader *self, const char *path, struct wr_file *file,
                           struct wr_error *err);
void file_reader_end(struct file_reader *self);
/* Decodes what was read, or reads a piece and decodes that: WR_OK with a batch, or with NULL and
 * `wants_more`. Nothing came: `input_ended`. */
int file_reader_step(struct file_reader *self, struct wr_batch **batch, struct wr_error *err);
/* A poll begins: what it gives, and where its failures go. */
void file_reader_poll(struct file_reader *self, struct wr_batch **batch, struct wr_error *err);
/* All that --limit asks for was read; then it says which columns never came. */
int file_reader_has_all(struct file_reader *self);
/* Puts what is not yet decoded at the head of a fresh buffer and reads a piece behind it, all of it
 * or to the end of the file: part of what `file_reader_step` does. */
int file_reader_refill(struct file_reader *self, struct wr_error *err);
/* Makes one more decoder as that of the reader. */
int file_reader_decoder(struct file_reader *self, struct wr_decoder **made, struct wr_error *err);
void file_reader_decoder_free(struct file_reader *self, struct wr_decoder *decoder);
/* Tells a reject of the decoder, in the poll that runs. WR_OK, or WR_EBADROW where it fails it. */
int file_reader_reject(struct file_reader *self, const struct wr_reject *reject);
/* A batch of the decoder says which source and partition it is of. */
void file_reader_sign(struct file_reader *self, struct wr_batch *batch);
/* Of the head, and of the bytes before the position: see file_known_sum. */
uint64_t file_reader_sum(struct file_reader *self);
/* Goes to the position in a file that was just opened. *is_same: its sum is `sum`. WR_ECORRUPT
 * where the file is too short, or cannot be unpacked; what else fails says nothing of its content.
 */
int file_reader_go_to(struct file_reader *self, uint64_t offset, uint64_t sum, int *is_same,
                      struct wr_error *err);
/* Once, at the end: names of a given schema that nothing had, so that they were always nil. */
void file_reader_note_missing(struct file_reader *self);
/* Of columns that somebody reads and that are json because their values are of several kinds. */
void file_reader_note_mixed(const struct file_reader *self);
