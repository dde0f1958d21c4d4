/* feeds.c: inputs that come while a run reads: files that are followed grow by pieces, and are
 * rotated; files of a directory come one after the other, in any order, and some are away for a
 * while; where the order of rows decides, they come by their names; the standard input is slow.
 * What comes in all is what the undisturbed run found there. See simulation.h. */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "sim/simulation.h"
#include "base/banned.h"

#define FEEDS_MAX 64u
#define PIECE_BITS 12u /* bytes of a piece, small ones as often as large ones */
#define ROTATIONS_MAX 6u
#define ROTATE_ONE_IN 8u /* pieces behind which a file is rotated */
#define ROTATE_US 100000 /* that pass then, half of the time: the next one is younger */
#define AWAY_ONE_IN 4u   /* pieces behind which a watched file goes … */
#define AWAY_US 2000000  /* … for so long at most */
#define DISK_SEED UINT64_C(0xd15c)
#define STDIN "/dev/stdin"

enum kind { FEED_STDIN, FEED_FOLLOWED, FEED_WATCHED };

struct feed {
    char path[SIM_PATH_MAX];
    const char *bytes; /* of the image */
    uint64_t size, given;
    int64_t line_us; /* when a whole line came last */
    int64_t away_us; /* when it went; 0: it is there */
    enum kind kind;
    uint32_t source; /* its node */
    uint32_t rotations;
};

struct find {
    struct scene *scene;
    const char *pattern;
    enum kind kind;
    uint32_t source;
};

static int add(void *ctx, const char *path, const char *bytes, uint64_t size, int is_lent) {
    struct find *find = ctx;
    struct feeds *feeds = &find->scene->feeds;
    if (!is_lent || feeds->count == FEEDS_MAX || feeds_have(feeds, path) ||
        fnmatch(find->pattern, path, FNM_PATHNAME | FNM_PERIOD) != 0)
        return WR_OK;
    struct feed *feed = &feeds->items[feeds->count++];
    *feed = (struct feed){.bytes = bytes, .size = size, .kind = find->kind, .source = find->source};
    snprintf(feed->path, sizeof feed->path, "%s", path);
    return WR_OK;
}

static int find_files(struct scene *scene, const struct wr_node *node, const char *address,
                      enum kind kind) {
    char pattern[SIM_PATH_MAX + 8], normal[SIM_PATH_MAX];
    size_t length = strlen(address);
    snprintf(pattern, sizeof pattern, "%s%s", address,
             length > 0 && address[length - 1] == '/' ? "*" : "");
    struct find find = {.scene = scene, .pattern = normal, .kind = kind, .source = node->id};
    return wr_sim_path(pattern, normal, sizeof normal) ? wr_sim_each(scene->sim, add, &find)
                                                       : WR_OK;
}

static int find_stdin(struct wr_simulation *simulation, struct scene *scene) {
    uint64_t size = 0;
    const char *bytes = wr_sim_image_get(simulation->image, STDIN, &size);
    struct feeds *feeds = &scene->feeds;
    if (bytes == NULL || feeds->count == FEEDS_MAX || feeds_have(feeds, STDIN))
        return WR_OK;
    struct feed *feed = &feeds->items[feeds->count++];
    *feed = (struct feed){.path = STDIN, .bytes = bytes, .size = size, .kind = FEED_STDIN};
    return WR_OK;
}

static int find_all(struct wr_simulation *simulation, struct scene *scene,
                    const struct wr_plan *plan) {
    int status = WR_OK;
    for (uint32_t n = 0; n < plan->node_count && status == WR_OK; n++) {
        const struct wr_node *node = plan->nodes[n];
        if (node->kind != WR_NODE_SOURCE)
            continue;
        const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
        const char *address = wr_value_string(endpoint, "address", "");
        if (strcmp(node->source->name, "follow") == 0)
            status = find_files(scene, node, address, FEED_FOLLOWED);
        else if (strcmp(node->source->name, "watch") == 0)
            status = find_files(scene, node, address, FEED_WATCHED);
        else if (strcmp(node->source->name, "file") == 0 && strcmp(address, "-") == 0)
            status = find_stdin(simulation, scene);
    }
    return status;
}

/* A compressed file comes whole. */
static int is_compressed(const struct feed *feed) {
    return feed->size >= 4 && (memcmp(feed->bytes, "\x1f\x8b", 2) == 0 ||
                               memcmp(feed->bytes, "\x28\xb5\x2f\xfd", 4) == 0);
}

/* Where the next piece ends; `whole`: with a line. A line of a watched file is never torn, since it
 * is taken for whole when nothing comes for a while. */
static uint64_t next_end(const struct feed *feed, struct dice *dice, int whole) {
    uint64_t end = feed->given + dice_scale(dice, PIECE_BITS);
    if (end >= feed->size || (feed->kind == FEED_WATCHED && is_compressed(feed)))
        return feed->size;
    if (!whole && feed->kind != FEED_WATCHED && dice_one_in(dice, 2))
        return end;
    const char *line = memchr(feed->bytes + end, '\n', (size_t)(feed->size - end));
    return line == NULL ? feed->size : (uint64_t)(line - feed->bytes) + 1;
}

/* Of its own, so that a seed draws all else as it would without. */
static struct dice *dice_of_disk(struct scene *scene) {
    return &scene->feeds.dice;
}

/* x.log.1 becomes x.log.2, x.log becomes x.log.1. */
static void rotate(struct wr_simulation *simulation, struct scene *scene, struct feed *feed) {
    char from[SIM_PATH_MAX + 16], to[SIM_PATH_MAX + 16];
    for (uint32_t number = feed->rotations; number > 0; number--) {
        snprintf(from, sizeof from, "%s.%u", feed->path, number);
        snprintf(to, sizeof to, "%s.%u", feed->path, number + 1);
        wr_sim_move(scene->sim, from, to);
    }
    snprintf(to, sizeof to, "%s.1", feed->path);
    wr_sim_move(scene->sim, feed->path, to);
    feed->rotations++;
    if (dice_one_in(dice_of_disk(scene), 2)) /* else within one tick of the clock, maybe */
        wr_sim_advance(scene->sim, ROTATE_US);
    sim_tell(simulation, "  %s is rotated", feed->path);
}

static int64_t clock_us(const struct scene *scene) {
    const struct wr_env *env = wr_sim_env(scene->sim);
    return env->monotonic_us(env);
}

static int give(struct wr_simulation *simulation, struct scene *scene, struct feed *feed,
                int whole) {
    struct dice *dice = &scene->dice;
    int at_line = feed->given > 0 && feed->bytes[feed->given - 1] == '\n';
    if (scene->feeds.rotates && feed->kind == FEED_FOLLOWED && at_line &&
        feed->rotations < ROTATIONS_MAX && feed->given < feed->size &&
        dice_one_in(dice, ROTATE_ONE_IN))
        rotate(simulation, scene, feed);
    uint64_t end = next_end(feed, dice, whole), length = end - feed->given;
    if (memchr(feed->bytes + feed->given, '\n', (size_t)length) != NULL)
        feed->line_us = clock_us(scene);
    int status = wr_sim_grow(scene->sim, feed->path, feed->bytes + feed->given, (size_t)length);
    feed->given = end;
    if (status == WR_OK && feed->kind == FEED_STDIN)
        status = wr_sim_stream(scene->sim, feed->path, end < feed->size);
    sim_tell(simulation, "  %s has %llu bytes of %llu", feed->path, (unsigned long long)end,
             (unsigned long long)feed->size);
    return status;
}

static void hide(const struct feed *feed, char hidden[SIM_PATH_MAX + 1]) {
    const char *slash = strrchr(feed->path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - feed->path);
    memcpy(hidden, feed->path, length);
    snprintf(hidden + length, SIM_PATH_MAX + 1 - length, ".%s", feed->path + length);
}

static void go(struct wr_simulation *simulation, struct scene *scene, struct feed *feed) {
    char hidden[SIM_PATH_MAX + 1];
    hide(feed, hidden);
    wr_sim_move(scene->sim, feed->path, hidden);
    feed->away_us = clock_us(scene);
    sim_tell(simulation, "  %s is away", feed->path);
}

static int come_back(struct wr_simulation *simulation, struct scene *scene, struct feed *feed) {
    char hidden[SIM_PATH_MAX + 1];
    hide(feed, hidden);
    wr_sim_move(scene->sim, hidden, feed->path);
    feed->away_us = 0;
    sim_tell(simulation, "  %s is back", feed->path);
    return 1;
}

/* What the disk begins with: nothing of a watched file, a piece of the others. */
static int lay(struct wr_simulation *simulation, struct scene *scene, struct feed *feed) {
    if (feed->size == 0)
        return WR_OK;
    if (feed->kind == FEED_WATCHED) {
        wr_sim_remove(scene->sim, feed->path, 1);
        return WR_OK;
    }
    int status = wr_sim_put(scene->sim, feed->path, "", 0);
    return status == WR_OK ? give(simulation, scene, feed, 1) : status;
}

/* How the disk tells files apart: clocks tick by seconds, 4 ms or any time; numbers of files that
 * are gone are given again, and nobody says when files were made. */
static void draw_disk(struct wr_simulation *simulation, struct scene *scene) {
    static const int64_t ticks_us[] = {0, 4000, 1000000};
    struct dice *dice = dice_of_disk(scene);
    dice->state = wr_hash_u64(scene->dice.state, DISK_SEED);
    int64_t tick_us = ticks_us[dice_below(dice, WR_COUNT(ticks_us))];
    int reuses = dice_one_in(dice, 2), hides_birth = dice_one_in(dice, 2);
    wr_sim_tick(scene->sim, tick_us);
    if (reuses)
        wr_sim_reuse_numbers(scene->sim, hides_birth);
    sim_tell(simulation, "the clock of the disk ticks by %lld us; numbers of files are %s%s",
             (long long)tick_us, reuses ? "given again" : "their own",
             reuses && hides_birth ? ", and when they were made is not known" : "");
}

int feeds_begin(struct wr_simulation *simulation, struct scene *scene, const struct wr_plan *plan) {
    struct feeds *feeds = &scene->feeds;
    feeds->items = wr_alloc_zero(&wr_budget_control, FEEDS_MAX * sizeof *feeds->items);
    int status = feeds->items == NULL ? WR_ENOMEM : find_all(simulation, scene, plan);
    if (feeds->count > 0)
        draw_disk(simulation, scene);
    feeds->rotates = dice_one_in(&scene->dice, 2);
    feeds->in_order = order_decides(plan);
    for (uint32_t i = 0; i < feeds->count && status == WR_OK; i++) {
        /* Which of two rotated files is older is told by the clock. */
        if (feeds->rotates && feeds->items[i].kind == FEED_FOLLOWED)
            scene->faults &= ~(1u << WR_SIM_FAULT_CLOCK);
        status = lay(simulation, scene, &feeds->items[i]);
    }
    return status;
}

void feeds_release(struct feeds *feeds) {
    wr_free(&wr_budget_control, feeds->items);
    *feeds = (struct feeds){0};
}

/* Something of it is to come. */
static int is_waiting(const struct feed *feed) {
    return feed->given < feed->size || feed->away_us != 0;
}

/* Where the order decides, a file waits for those of its directory that come before it. */
static int has_turn(const struct feeds *feeds, const struct feed *feed) {
    for (uint32_t i = 0; feeds->in_order && feed->kind == FEED_WATCHED && i < feeds->count; i++) {
        const struct feed *other = &feeds->items[i];
        if (other->kind == FEED_WATCHED && other->source == feed->source && is_waiting(other) &&
            strcmp(other->path, feed->path) < 0)
            return 0;
    }
    return is_waiting(feed);
}

int64_t feeds_least_us(const struct feeds *feeds, int64_t us) {
    for (uint32_t i = 0; i < feeds->count; i++)
        if (is_waiting(&feeds->items[i]))
            return WR_MIN(us, FEEDS_QUIET_US);
    return us;
}

/* What has been quiet for long enough. */
static int give_due(struct wr_simulation *simulation, struct scene *scene) {
    struct feeds *feeds = &scene->feeds;
    int given = 0;
    for (uint32_t i = 0; i < feeds->count; i++) {
        struct feed *feed = &feeds->items[i];
        if (feed->away_us != 0 && clock_us(scene) - feed->away_us < AWAY_US)
            continue;
        if (feed->away_us != 0)
            given |= come_back(simulation, scene, feed);
        if (feed->given < feed->size && has_turn(feeds, feed) &&
            clock_us(scene) - feed->line_us >= FEEDS_QUIET_US)
            given |= give(simulation, scene, feed, 1) == WR_OK;
    }
    return given;
}

/* One that is away comes back, of the others comes a piece. */
static int step(struct wr_simulation *simulation, struct scene *scene, struct feed *feed) {
    if (feed->away_us != 0)
        return dice_one_in(dice_of_disk(scene), AWAY_ONE_IN) && come_back(simulation, scene, feed);
    if (give(simulation, scene, feed, 0) != WR_OK)
        return 0;
    if (feed->kind == FEED_WATCHED && !scene->feeds.stay && !scene->feeds.in_order &&
        dice_one_in(dice_of_disk(scene), AWAY_ONE_IN))
        go(simulation, scene, feed);
    return 1;
}

int feeds_step(struct wr_simulation *simulation, struct scene *scene, int must) {
    struct feeds *feeds = &scene->feeds;
    int given = give_due(simulation, scene);
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < feeds->count; i++)
        waiting += (uint32_t)has_turn(feeds, &feeds->items[i]);
    if (given || waiting == 0 || (!must && !dice_one_in(&scene->dice, 2)))
        return given;
    uint64_t at = dice_below(&scene->dice, waiting);
    for (uint32_t i = 0; i < feeds->count; i++)
        if (has_turn(feeds, &feeds->items[i]) && at-- == 0)
            return step(simulation, scene, &feeds->items[i]);
    return 0;
}

int feeds_come_back(struct wr_simulation *simulation, struct scene *scene) {
    struct feeds *feeds = &scene->feeds;
    int are_back = 0;
    for (uint32_t i = 0; i < feeds->count; i++)
        if (feeds->items[i].away_us != 0)
            are_back |= come_back(simulation, scene, &feeds->items[i]);
    feeds->stay |= are_back;
    return are_back;
}

int feeds_have(const struct feeds *feeds, const char *path) {
    for (uint32_t i = 0; i < feeds->count; i++) {
        size_t length = strlen(feeds->items[i].path);
        char hidden[SIM_PATH_MAX + 1];
        hide(&feeds->items[i], hidden);
        if (strcmp(path, hidden) == 0)
            return 1;
        if (strncmp(path, feeds->items[i].path, length) != 0)
            continue;
        const char *rest = path + length;
        if (rest[0] == 0)
            return 1;
        if (rest[0] == '.' && isdigit((unsigned char)rest[1]) &&
            strspn(rest + 1, "0123456789") == strlen(rest + 1))
            return 1;
    }
    return 0;
}
