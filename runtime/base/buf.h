/* buf.h: a growing byte buffer with a bound and a name for its budget.
 * Owns its bytes. Always has a 0 behind `length`, once anything was appended. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_budget;

struct wr_buf {
    struct wr_budget *budget;
    char *bytes;
    size_t length, room; /* bytes used, bytes allocated (without the 0) */
    size_t length_max;   /* bytes; 0: no limit but the budget's */
    int status;          /* the first failure sticks; later appends do nothing */
};

void wr_buf_init(struct wr_buf *buf, struct wr_budget *budget, size_t length_max);
void wr_buf_release(struct wr_buf *buf);
void wr_buf_clear(struct wr_buf *buf); /* length 0, status WR_OK; keeps the memory */
/* Room for `more` bytes behind `length`. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int wr_buf_reserve(struct wr_buf *buf, size_t more);
int wr_buf_add(struct wr_buf *buf, const void *bytes, size_t length);
int wr_buf_add_text(struct wr_buf *buf, const char *text);
int wr_buf_add_char(struct wr_buf *buf, char byte);
int wr_buf_addf(struct wr_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends little-endian integers and a varint (LEB128), as stored formats use them. */
int wr_buf_add_u32(struct wr_buf *buf, uint32_t value);
int wr_buf_add_u64(struct wr_buf *buf, uint64_t value);
int wr_buf_add_varint(struct wr_buf *buf, uint64_t value);

/* Reading back: a bounded cursor. A read past the end sets `failed` and gives 0. */
struct wr_reader {
    const char *bytes;
    size_t length, at;
    int failed;
};
uint32_t wr_reader_u32(struct wr_reader *reader);
uint64_t wr_reader_u64(struct wr_reader *reader);
uint64_t wr_reader_varint(struct wr_reader *reader);
/* Lends `length` bytes, or NULL (failed). */
const char *wr_reader_bytes(struct wr_reader *reader, size_t length);
