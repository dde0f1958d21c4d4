/* test_input.c: what is compressed is seen from its bytes; members, damage, bombs, seeking. */
#include "support_conn.h"

#include "conn/input.h"
#include "conn/output.h"

#include <unistd.h>

/* All data of a file, read `size` bytes at a time; or what was said, behind what was given. */
static const char *unpack(struct world *w, const char *path, uint64_t ratio_max, uint64_t size) {
    struct wr_input input;
    struct wr_buf out;
    wr_buf_init(&out, &w->budget, 0);
    int status = wr_input_open(&input, w->env, &w->budget, path, ratio_max, 0, &w->err);
    uint64_t got = 1;
    int is_open = status == WR_OK;
    while (status == WR_OK && got > 0) {
        CHECK_INT(wr_buf_reserve(&out, size), ==, WR_OK);
        status = wr_input_read(&input, out.bytes + out.length, size, &got, &w->err);
        out.length += got;
    }
    if (is_open)
        CHECK_INT(input.bytes_out, ==, out.length);
    if (is_open)
        wr_input_close(&input);
    if (status != WR_OK)
        wr_buf_addf(&out, "! %s", error_text(w));
    wr_buf_add(&out, "", 0);
    char *text = wr_arena_strndup(&w->arena, out.length == 0 ? "" : out.bytes, out.length);
    CHECK(text != NULL);
    wr_buf_release(&out);
    return text;
}

static void put_two(const char *path, const char *a, size_t a_size, const char *b, size_t b_size) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_INT(fwrite(a, 1, a_size, file), ==, a_size);
    CHECK_INT(fwrite(b, 1, b_size, file), ==, b_size);
    fclose(file);
}

TEST(input_sees_compression_by_content_whatever_the_name) {
    struct world w;
    world_begin(&w);
    size_t size;
    const char *path = in_folder(&w, "data.txt"), *bytes = gzip_of(&w, "hello", 5, &size);
    put_file(path, bytes, size);
    CHECK_STR(unpack(&w, path, 100, 3), "hello");
    bytes = zstd_of(&w, "hello", 5, &size);
    put_file(path, bytes, size);
    CHECK_STR(unpack(&w, path, 100, 3), "hello");
    path = in_folder(&w, "plain.gz");
    put_text(path, "hello");
    CHECK_STR(unpack(&w, path, 100, 3), "hello");
    put_text(path, "");
    CHECK_STR(unpack(&w, path, 100, 3), "");
    put_text(path, "x");
    CHECK_STR(unpack(&w, path, 100, 3), "x");
    world_end(&w);
}

TEST(input_reads_one_member_after_the_other) {
    struct world w;
    world_begin(&w);
    size_t a_size, b_size;
    const char *path = in_folder(&w, "a");
    const char *a = gzip_of(&w, "one,", 4, &a_size), *b = gzip_of(&w, "two", 3, &b_size);
    put_two(path, a, a_size, b, b_size);
    for (uint64_t size = 1; size < 9; size++)
        CHECK_STR(unpack(&w, path, 100, size), "one,two");
    put_two(path, b, b_size, "\0\0\0\0\0", 5); /* padding */
    CHECK_STR(unpack(&w, path, 100, 4), "two");
    a = zstd_of(&w, "one,", 4, &a_size);
    b = zstd_of(&w, "two", 3, &b_size);
    put_two(path, a, a_size, b, b_size);
    for (uint64_t size = 1; size < 9; size++)
        CHECK_STR(unpack(&w, path, 100, size), "one,two");
    put_two(path, "\x50\x2a\x4d\x18\x04\0\0\0skip", 12, b, b_size);
    CHECK_STR(unpack(&w, path, 100, 4), "two");
    world_end(&w);
}

TEST(input_gives_what_a_truncated_file_holds_and_then_says_so) {
    struct world w;
    world_begin(&w);
    char text[5000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (i * i + i / 7) % 23);
    for (int zstd = 0; zstd < 2; zstd++) {
        size_t size;
        const char *path = in_folder(&w, "a.gz");
        const char *bytes =
            zstd ? zstd_of(&w, text, sizeof text, &size) : gzip_of(&w, text, sizeof text, &size);
        for (size_t cut = 12; cut < size; cut += 7) {
            put_file(path, bytes, cut);
            const char *got = unpack(&w, path, 100, 512);
            CHECK_CONTAINS(got, zstd ? "the zstd data is cut short at byte "
                                     : "the gzip data is cut short at byte ");
            size_t given = (size_t)(strstr(got, "! ") - got);
            CHECK_MEM(got, text, given);
        }
        put_file(path, bytes, size);
        CHECK_INT(strlen(unpack(&w, path, 100, 512)), ==, sizeof text);
    }
    world_end(&w);
}

TEST(input_says_where_it_is_damaged) {
    struct world w;
    world_begin(&w);
    size_t size;
    const char *path = in_folder(&w, "a.gz");
    char *bytes = (char *)(uintptr_t)gzip_of(&w, "hello, hello, hello", 19, &size);
    bytes[size - 6] ^= 1; /* the checksum */
    put_file(path, bytes, size);
    CHECK_CONTAINS(unpack(&w, path, 100, 512), "the gzip data is damaged at byte ");
    CHECK_INT(w.err.status, ==, WR_ECORRUPT);
    bytes = (char *)(uintptr_t)gzip_of(&w, "hello", 5, &size);
    put_two(path, bytes, size, "more", 4);
    CHECK_CONTAINS(unpack(&w, path, 100, 512), "hello! ");
    CHECK_CONTAINS(w.err.text, "there is something else behind the gzip data");
    bytes = (char *)(uintptr_t)zstd_of(&w, "hello, hello, hello", 19, &size);
    bytes[6] ^= 0x55;
    put_file(path, bytes, size);
    CHECK_CONTAINS(unpack(&w, path, 100, 512), "! ");
    CHECK_CONTAINS(w.err.text, "the zstd data is ");
    world_end(&w);
}

TEST(input_refuses_a_bomb_and_takes_it_when_told_to) {
    struct world w;
    world_begin(&w);
    size_t length = 8u << 20, size;
    char *zeros = wr_arena_alloc_zero(&w.arena, length);
    CHECK(zeros != NULL);
    memset(zeros, 'z', length);
    const char *path = in_folder(&w, "a");
    for (int zstd = 0; zstd < 2; zstd++) {
        const char *bytes =
            zstd ? zstd_of(&w, zeros, length, &size) : gzip_of(&w, zeros, length, &size);
        put_file(path, bytes, size);
        const char *got = unpack(&w, path, 100, 1u << 19);
        CHECK_CONTAINS(got + strlen(got) - 300, "refused as a bomb");
        CHECK_CONTAINS(w.err.help, "max_ratio");
        CHECK_INT(w.err.status, ==, WR_ELIMIT);
        CHECK_INT(strlen(got), <, 4u << 20);
        CHECK_INT(strlen(unpack(&w, path, 0, 1u << 19)), ==, length);
        CHECK_INT(strlen(unpack(&w, path, 100000, 1u << 19)), ==, length);
    }
    /* A small file may unfold as it likes. */
    const char *bytes = gzip_of(&w, zeros, 1000000, &size);
    put_file(path, bytes, size);
    CHECK_INT(strlen(unpack(&w, path, 100, 1u << 19)), ==, 1000000);
    world_end(&w);
}

TEST(input_skips_to_any_byte) {
    struct world w;
    world_begin(&w);
    char text[3000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    const char *path = in_folder(&w, "a");
    for (int kind = 0; kind < 3; kind++) {
        size_t size = sizeof text;
        const char *bytes = kind == 0   ? text
                            : kind == 1 ? gzip_of(&w, text, sizeof text, &size)
                                        : zstd_of(&w, text, sizeof text, &size);
        put_file(path, bytes, size);
        for (uint64_t offset = 0; offset <= sizeof text; offset += 250) {
            struct wr_input input;
            char got[sizeof text];
            uint64_t count;
            CHECK_INT(wr_input_open(&input, w.env, &w.budget, path, 100, 0, &w.err), ==, WR_OK);
            CHECK_INT(wr_input_skip(&input, offset, &w.err), ==, WR_OK);
            CHECK_INT(wr_input_read(&input, got, sizeof got, &count, &w.err), ==, WR_OK);
            CHECK_INT(count, ==, sizeof text - offset);
            CHECK_MEM(got, text + offset, count);
            wr_input_close(&input);
        }
        struct wr_input input;
        CHECK_INT(wr_input_open(&input, w.env, &w.budget, path, 100, 0, &w.err), ==, WR_OK);
        CHECK_INT(wr_input_skip(&input, sizeof text + 1, &w.err), ==, WR_ECORRUPT);
        CHECK_CONTAINS(w.err.text, "has only 3000 bytes of data");
        wr_input_close(&input);
    }
    world_end(&w);
}

TEST(input_names_a_directory) {
    struct world w;
    world_begin(&w);
    CHECK_CONTAINS(unpack(&w, w.folder, 100, 10), "it is a directory");
    world_end(&w);
}

/* Packs and unpacks one text; what a library needs is taken from budgets, and counted there. */
static int pack_and_unpack(enum wr_compression compression, const char *path) {
    static const char text[] = "the same, the same, and the same again";
    const struct wr_env *env = wr_env_real();
    struct wr_budget budget = WR_BUDGET_INIT("test", 0);
    struct wr_error err = {0};
    struct wr_output output;
    struct wr_input input;
    char back[sizeof text + 1];
    uint64_t got = 0;
    int status = wr_output_open(&output, env, &budget, path, WR_FILE_CREATE, compression, 0, &err);
    if (status == WR_OK) {
        status = wr_output_write(&output, text, sizeof text, &err);
        status = status == WR_OK ? wr_output_end_member(&output, &err) : status;
        CHECK(status != WR_OK || budget.bytes_used > (200u << 10));
        wr_output_close(&output);
    }
    CHECK_INT(budget.bytes_used, ==, 0);
    if (status == WR_OK)
        status = wr_input_open(&input, env, &budget, path, 100, 0, &err);
    if (status == WR_OK) {
        status = wr_input_read(&input, back, sizeof back, &got, &err);
        CHECK(status != WR_OK || (got == sizeof text && memcmp(back, text, got) == 0));
        CHECK((compression == WR_COMPRESSION_ZSTD) == (input.zstd_budget.bytes_peak > 0));
        wr_input_close(&input);
        CHECK_INT(input.zstd_budget.bytes_used, ==, 0);
    }
    CHECK_INT(budget.bytes_used, ==, 0);
    return status;
}

TEST_EACH_ALLOCATION_FAILS(compressed_files_take_memory_from_budgets_and_give_it_back) {
    char path[] = "/tmp/weir_test_input_XXXXXX";
    close(mkstemp(path));
    int gzip = pack_and_unpack(WR_COMPRESSION_GZIP, path);
    int zstd = pack_and_unpack(WR_COMPRESSION_ZSTD, path);
    unlink(path);
    CHECK(gzip == WR_OK || gzip == WR_ENOMEM);
    CHECK(zstd == WR_OK || zstd == WR_ENOMEM);
}
