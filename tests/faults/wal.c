/* wal.c: how much of a write-ahead log SQLite heeds. Two logs that are equal so far are one to it,
 * whatever a power cut has left behind that.
 *
 * Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log: a header of 32 bytes, then
 * frames, each a header of 24 bytes and a page. A frame counts where its salts are the header's and
 * its checksum, which goes on from the one before, holds; and all up to the last that commits. */
#include <stddef.h>
#include <stdint.h>

#define HEADER_BYTES 32
#define FRAME_BYTES 24
#define VERSION 3007000
#define MAGIC 0x377f0682u /* its lowest bit: checksums are over big-endian words */

static uint32_t big(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t little(const unsigned char *at) {
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void add(uint32_t sums[2], const unsigned char *bytes, size_t length, int is_big) {
    for (size_t i = 0; i + 8 <= length; i += 8) {
        sums[0] += (is_big ? big(bytes + i) : little(bytes + i)) + sums[1];
        sums[1] += (is_big ? big(bytes + i + 4) : little(bytes + i + 4)) + sums[0];
    }
}

static int is(const uint32_t sums[2], const unsigned char *at) {
    return sums[0] == big(at) && sums[1] == big(at + 4);
}

/* Bytes up to the end of the last commit that holds; 0: there is none. */
size_t wal_heeded(const unsigned char *bytes, size_t length);
size_t wal_heeded(const unsigned char *bytes, size_t length) {
    if (length < HEADER_BYTES || (big(bytes) & ~1u) != MAGIC || big(bytes + 4) != VERSION)
        return 0;
    int is_big = (int)(big(bytes) & 1);
    uint32_t page_bytes = big(bytes + 8), sums[2] = {0, 0};
    add(sums, bytes, HEADER_BYTES - 8, is_big);
    if (!is(sums, bytes + HEADER_BYTES - 8) || page_bytes < 512 || page_bytes > 65536)
        return 0;
    size_t heeded = 0, at = HEADER_BYTES, frame_bytes = FRAME_BYTES + (size_t)page_bytes;
    for (; at + frame_bytes <= length; at += frame_bytes) {
        const unsigned char *frame = bytes + at;
        add(sums, frame, 8, is_big);
        add(sums, frame + FRAME_BYTES, page_bytes, is_big);
        int is_ours = big(frame) != 0 && big(frame + 8) == big(bytes + 16) &&
                      big(frame + 12) == big(bytes + 20) && is(sums, frame + 16);
        if (!is_ours)
            break;
        if (big(frame + 4) != 0) /* the size of the database behind a commit */
            heeded = at + frame_bytes;
    }
    return heeded;
}
