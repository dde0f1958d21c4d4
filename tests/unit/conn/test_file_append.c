/* test_file_append.c: rows of a file beside go behind those of another, once, wherever an earlier
 * life was cut off; and not over what somebody else wrote. */
#include "support_conn.h"

#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "conn/file_append.h"

#define LONG_BYTES 200000u

struct case_of {
    const char *to; /* NULL: no such file; `#` stands for a zero */
    uint64_t at;
    int is_again, is_known;
    int status;
    const char *after;
};

static void put_with_zeros(struct world *world, const char *path, const char *text) {
    size_t length = strlen(text);
    char *bytes = wr_arena_alloc(&world->arena, length + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(text[i] == '#' ? 0 : text[i]);
    put_file(path, bytes, length);
}

static int append(struct world *world, const char *from, const char *to,
                  const struct case_of *one) {
    struct wr_file_append what = {.env = world->env,
                                  .budget = &world->budget,
                                  .from = in_folder(world, "from"),
                                  .to = in_folder(world, "to"),
                                  .at = one->at,
                                  .length = strlen(from),
                                  .is_again = one->is_again,
                                  .is_known = one->is_known};
    unlink(what.to);
    put_text(what.from, from);
    if (to != NULL)
        put_with_zeros(world, what.to, to);
    world->err.text[0] = 0;
    return wr_file_append(&what, &world->err);
}

static void check(const struct case_of *one) {
    struct world world;
    size_t length;
    world_begin(&world);
    CHECK_INT(append(&world, "new1new2", one->to, one), ==, one->status);
    const char *text = file_text(&world, in_folder(&world, "to"), &length);
    CHECK_STR(text == NULL ? "" : text, one->after);
    int is_beside = file_text(&world, in_folder(&world, "from"), &length) != NULL;
    CHECK_INT(is_beside, ==, one->status != WR_OK);
    world_end(&world);
}

TEST(file_append_copies_behind_what_is_there) {
    check(&(struct case_of){.to = "old", .at = 3, .after = "oldnew1new2"});
    check(&(struct case_of){.to = NULL, .at = 0, .after = "new1new2"});
    check(&(struct case_of){.to = "old", .at = 3, .is_known = 1, .after = "oldnew1new2"});
}

TEST(file_append_goes_on_where_a_life_was_cut_off) {
    struct case_of one = {.at = 3, .is_again = 1, .is_known = 1, .after = "oldnew1new2"};
    static const char *const cut[] = {"old", "oldn", "oldnew1new", "oldnew1new2", "old###"};
    for (size_t i = 0; i < WR_COUNT(cut); i++) {
        one.to = cut[i];
        check(&one);
    }
}

/* Sectors of the copy that never reached the disk. */
TEST(file_append_copies_once_more_what_a_power_cut_tore) {
    check(&(struct case_of){
        .to = "oldnew1####", .at = 3, .is_again = 1, .is_known = 1, .after = "oldnew1new2"});
    check(&(struct case_of){
        .to = "old###1n", .at = 3, .is_again = 1, .is_known = 1, .after = "oldnew1new2"});
}

TEST(file_append_leaves_alone_what_others_wrote) {
    struct case_of behind = {
        .to = "oldnew1new2more", .at = 3, .is_again = 1, .is_known = 1, .after = "oldnew1new2more"};
    check(&behind); /* behind a copy that was complete */
    struct case_of between = {.to = "oldtheirs and more",
                              .at = 3,
                              .is_again = 1,
                              .is_known = 1,
                              .status = WR_EREFUSED,
                              .after = "oldtheirs and more"};
    check(&between);
    /* No more than the copy would be, before it has begun or in the midst of it. */
    static const char *const fewer[] = {"oldmore", "oldnew1more", "oldnew1newX"};
    for (size_t i = 0; i < WR_COUNT(fewer); i++) {
        between.to = between.after = fewer[i];
        check(&between);
    }
    struct case_of meanwhile = {
        .to = "oldx", .at = 3, .is_known = 1, .status = WR_EREFUSED, .after = "oldx"};
    check(&meanwhile);
    /* Nobody knows of it: it is behind theirs, but not of a header in the midst of a file. */
    check(&(struct case_of){.to = "oldx", .at = 3, .after = "oldxnew1new2"});
    check(&(struct case_of){.to = "x", .at = 0, .status = WR_EREFUSED, .after = "x"});
}

TEST(file_append_refuses_a_file_that_became_shorter) {
    check(&(struct case_of){
        .to = "ol", .at = 3, .is_known = 1, .status = WR_ECORRUPT, .after = "ol"});
}

/* `begun` of the copy stands there; then others append, and what they append stays. */
static void check_others(const char *begun, int come_at_hold, int status, const char *after) {
    struct world world;
    struct odd_env odd;
    size_t length;
    world_begin(&world);
    odd_env_init(&odd, &world);
    odd.others = in_folder(&world, "to");
    odd.theirs = "theirs";
    odd.others_come_at_hold = come_at_hold;
    odd.full_at = come_at_hold ? 0 : 1;
    struct case_of one = {.at = 3, .is_again = 1, .is_known = 1};
    CHECK_INT(append(&world, "new1new2", begun, &one), ==, status);
    CHECK_STR(file_text(&world, in_folder(&world, "to"), &length), after);
    CHECK(file_text(&world, in_folder(&world, "from"), &length) != NULL);
    world_end(&world);
}

TEST(file_append_looks_once_more_when_it_holds_the_file) {
    check_others("oldnew1", 1, WR_EREFUSED, "oldnew1theirs");
    check_others("old", 1, WR_EREFUSED, "oldtheirs");
}

TEST(file_append_that_fails_leaves_what_others_wrote_meanwhile) {
    check_others("old", 0, WR_EIO, "oldtheirs");
    check_others("oldnew1", 0, WR_EIO, "oldtheirs"); /* what it had begun with was cut before */
}

TEST(file_append_copies_files_of_any_length) {
    struct world world;
    size_t length;
    world_begin(&world);
    char *from = wr_arena_alloc(&world.arena, LONG_BYTES + 1);
    char *to = wr_arena_alloc(&world.arena, 2 * LONG_BYTES + 1);
    CHECK(from != NULL && to != NULL);
    for (uint32_t i = 0; i < LONG_BYTES; i++)
        from[i] = (char)('a' + i % 23);
    from[LONG_BYTES] = 0;
    struct case_of one = {.at = 0};
    CHECK_INT(append(&world, from, NULL, &one), ==, WR_OK);
    CHECK_STR(file_text(&world, in_folder(&world, "to"), &length), from);
    /* All but the last byte is there. */
    memcpy(to, from, LONG_BYTES);
    memcpy(to + LONG_BYTES, from, LONG_BYTES);
    to[2 * LONG_BYTES - 1] = 0;
    one = (struct case_of){.at = LONG_BYTES, .is_again = 1, .is_known = 1};
    CHECK_INT(append(&world, from, to, &one), ==, WR_OK);
    file_text(&world, in_folder(&world, "to"), &length);
    CHECK_INT(length, ==, 2 * LONG_BYTES);
    world_end(&world);
}
