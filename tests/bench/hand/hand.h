/* hand.h: the work of the measurements, written by hand in C for these seven fields alone.
 *
 * It is what weir is measured against: what a patient programmer gets from one core. It is not
 * sloppy where weir is not: it validates UTF-8, decodes escapes, takes keys in any order, blanks
 * and unknown keys, and counts the records that it cannot read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READ_BYTES (512u << 10) /* of one read; a longer record is not read */
#define READ_PADDING 64         /* bytes behind the last one that may be loaded, not used */
#define WRITE_BYTES (256u << 10)

struct text {
    const char *at;
    size_t length;
};

struct bid {
    int64_t auction, bidder, price;
    struct text channel, url, extra;
    int64_t time_us;
    struct text time;   /* as it was written */
    char scratch[4096]; /* decoded strings, where a string has an escape or a doubled quote */
    size_t scratch_used;
};

/* Lines of a file, in pieces of READ_BYTES. */
struct reader {
    int file;
    char *buffer; /* READ_BYTES, then the padding */
    size_t from, to;
    bool ended;
};
void reader_open(struct reader *reader, const char *path);
/* The next line without its newline; false at the end. Valid until the next call. */
bool reader_line(struct reader *reader, struct text *line);

struct writer {
    int file;
    char *buffer;
    size_t used;
};
void writer_open(struct writer *writer, const char *path);
/* Room for `size_bytes` (at most 8192); move `used` on by what was written there. */
char *writer_room(struct writer *writer, size_t size_bytes);
void writer_close(struct writer *writer);

/* Each writes at `out` and returns the end. */
char *put_text(char *out, const char *text, size_t length);
char *put_json(char *out, struct text text); /* quoted, escaped */
char *put_int(char *out, int64_t value);
char *put_time(char *out, int64_t time_us); /* RFC 3339, milliseconds where there are any */

/* False: not a record. Strings lie in the line or in the bid's scratch. */
bool json_bid(struct bid *bid, struct text line);
bool csv_bid(struct bid *bid, struct text line);

bool is_utf8(const char *text, size_t length);
/* `2024-03-31T10:00:00.123Z`, with 0, 3 or 6 digits behind the seconds. */
bool parse_time(struct text text, int64_t *time_us);
bool parse_int(const char **at, const char *end, int64_t *value);

static inline uint64_t hash_int(uint64_t key) {
    key *= 0x9e3779b97f4a7c15;
    return key ^ (key >> 32);
}
uint64_t hash_text(struct text text);

/* A hash table from an integer or a text to a row of `row_bytes`; open addressing, half full at
 * most. The row begins with the key. */
struct table {
    uint32_t *slots; /* row number + 1, or 0 */
    uint64_t mask;
    char *rows;
    size_t row_bytes, row_count, row_max;
};
void table_init(struct table *table, size_t row_bytes);
void table_clear(struct table *table);
/* The row of the key, made of zeros and the key where it is new. */
void *table_int(struct table *table, int64_t key);
/* The same for a text; a new row begins with a copy of it (struct text). */
void *table_text(struct table *table, struct text key);
