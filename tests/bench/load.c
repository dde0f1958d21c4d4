/* load.c: rows on a fixed schedule, whatever becomes of them, and what the machine does meanwhile.
 *
 *     load RATE SECONDS FILE RESULT [rests]
 *
 * Appends NDJSON to FILE, RATE rows a second: row n is due at n / RATE, by the monotonic clock, and
 * says so in `due` (microseconds); the loop spins and writes all that is due. A row that it comes
 * late to keeps its time. RESULT gets `p50 p99 p99.9 most` of how many microseconds late the loop
 * saw that a row was due: what a reader that does nothing but spin would add. With `rests` it
 * sleeps for a millisecond between two writes, where it is the rows alone that are wanted. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROW_BYTES_MAX 160
#define ROWS_AT_ONCE_MAX 512
#define LATE_US_MAX 1000000

static uint64_t late[LATE_US_MAX + 1];

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int write_all(int file, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return 0;
        bytes += written;
        count -= (size_t)written;
    }
    return 1;
}

/* The shape of an event: numbers, and texts of several lengths. */
static size_t put_row(char *at, uint64_t n, uint64_t due, uint64_t late_us) {
    uint64_t x = n * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return (size_t)sprintf(at,
                           "{\"id\":%" PRIu64 ",\"due\":%" PRIu64 ",\"user\":\"user-%" PRIu64
                           "\",\"page\":\"/shop/item/%" PRIu64 "\",\"amount\":%" PRIu64
                           ",\"late\":%" PRIu64 "}\n",
                           n, due, x % 50000, x >> 20 & 4095, x >> 40 & 1023, late_us);
}

static uint64_t late_at(uint64_t count, double share) {
    uint64_t seen = 0, us = 0;
    while (us < LATE_US_MAX && (seen += late[us]) < (uint64_t)((double)count * share))
        us++;
    return us;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: load RATE SECONDS FILE RESULT [rests]\n");
        return 2;
    }
    uint64_t rate = strtoull(argv[1], NULL, 10), count = rate * strtoull(argv[2], NULL, 10);
    int file = open(argv[3], O_WRONLY | O_APPEND | O_CREAT, 0666);
    static char rows[ROWS_AT_ONCE_MAX * ROW_BYTES_MAX];
    uint64_t begin = now_us(), most = 0;
    for (uint64_t n = 0; n < count && file >= 0;) {
        size_t length = 0;
        uint64_t now = now_us(), end = n + ROWS_AT_ONCE_MAX, due;
        for (; n < count && n < end && (due = begin + n * 1000000 / rate) <= now; n++) {
            uint64_t late_us = now - due > LATE_US_MAX ? LATE_US_MAX : now - due;
            late[late_us]++;
            most = late_us > most ? late_us : most;
            length += put_row(rows + length, n, due, late_us);
        }
        if (length > 0 && !write_all(file, rows, length)) {
            fprintf(stderr, "load: %s: %s\n", argv[3], strerror(errno));
            return 1;
        }
        if (argc > 5)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    FILE *result = fopen(argv[4], "w");
    if (file < 0 || close(file) != 0 || result == NULL) {
        fprintf(stderr, "load: %s: %s\n", argv[3], strerror(errno));
        return 1;
    }
    fprintf(result, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", late_at(count, 0.5),
            late_at(count, 0.99), late_at(count, 0.999), most);
    return fclose(result) == 0 ? 0 : 1;
}
