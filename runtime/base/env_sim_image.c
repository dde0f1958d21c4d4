/* env_sim_image.c: what simulated worlds begin with. See env_sim.h.
 *
 *   a name is missed in a world -> known? -> it is as the world has it: not there (any more)
 *                                  sealed? -> not there
 *                                  else    -> looked for in the other world, known from then on */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env_sim_disk.h"
#include "base/status.h"
#include "base/banned.h"

#define PIECE_BYTES 65536

enum kind { KIND_NONE, KIND_FILE, KIND_DIRECTORY };

struct known {
    char *path; /* first: see wr_sim_place */
    char *bytes;
    uint64_t size;
    enum kind kind;
};

struct wr_sim_image {
    const struct wr_env *from;
    uint64_t bytes_max, bytes;
    const char *hidden;
    int is_sealed;
    struct known *items; /* in byte order of their paths */
    uint32_t count, room;
    char **patterns;
    uint32_t pattern_count, pattern_room;
    struct wr_error err; /* the first failure */
};

struct wr_sim_image *wr_sim_image_new(const struct wr_env *from, uint64_t bytes_max) {
    struct wr_sim_image *image = wr_alloc_zero(&wr_budget_control, sizeof *image);
    if (image == NULL)
        return NULL;
    image->from = from;
    image->bytes_max = bytes_max;
    return image;
}

void wr_sim_image_free(struct wr_sim_image *image) {
    if (image == NULL)
        return;
    for (uint32_t i = 0; i < image->count; i++) {
        wr_free(&wr_budget_control, image->items[i].path);
        wr_free(&wr_budget_control, image->items[i].bytes);
    }
    for (uint32_t i = 0; i < image->pattern_count; i++)
        wr_free(&wr_budget_control, image->patterns[i]);
    wr_free(&wr_budget_control, image->items);
    wr_free(&wr_budget_control, image->patterns);
    wr_free(&wr_budget_control, image);
}

void wr_sim_image_hide(struct wr_sim_image *image, const char *path) {
    image->hidden = path;
}

void wr_sim_image_seal(struct wr_sim_image *image) {
    image->is_sealed = 1;
}

int wr_sim_image_status(const struct wr_sim_image *image, struct wr_error *err) {
    if (image->err.status != WR_OK && err != NULL)
        *err = image->err;
    return image->err.status;
}

uint64_t wr_sim_image_bytes(const struct wr_sim_image *image) {
    return image->bytes;
}

const char *wr_sim_image_variable(const struct wr_sim_image *image, const char *name) {
    return image == NULL ? NULL : image->from->variable(image->from, name);
}

/* ---- the other world ---- */

static int is_hidden(const struct wr_sim_image *image, const char *path) {
    size_t length = image->hidden == NULL ? 0 : strlen(image->hidden);
    if (strncmp(path, "/dev/", 5) == 0)
        return strcmp(path, "/dev/stdin") != 0;
    return length > 0 && strncmp(path, image->hidden, length) == 0 &&
           (path[length] == 0 || path[length] == '/');
}

/* All of it; nothing comes from a pipe for a while: waited for. */
static int read_all(struct wr_sim_image *image, struct wr_file *file, const char *path,
                    struct wr_buf *bytes) {
    for (;;) {
        int status = wr_buf_reserve(bytes, PIECE_BYTES);
        if (status != WR_OK)
            return wr_error_set(&image->err, status, "%s: no memory to simulate with it", path);
        int64_t got = image->from->read(file, bytes->bytes + bytes->length, PIECE_BYTES, -1);
        if (got == WR_EAGAIN)
            continue;
        if (got < 0)
            return wr_error_set(&image->err, (int)got, "read %s: %s", path,
                                wr_status_text((int)got));
        if (got == 0)
            return WR_OK;
        bytes->length += (size_t)got;
        if (image->bytes + bytes->length > image->bytes_max) {
            wr_error_set(&image->err, WR_ELIMIT,
                         "the inputs of a simulation have more than %llu MB, with %s",
                         (unsigned long long)(image->bytes_max >> 20), path);
            wr_error_help(&image->err,
                          "simulate with a smaller input: a part of it shows the same");
            return WR_ELIMIT;
        }
    }
}

static void take_file(struct wr_sim_image *image, struct known *known) {
    const struct wr_env *from = image->from;
    const char *path = strcmp(known->path, "/dev/stdin") == 0 ? "-" : known->path;
    struct wr_file *file = NULL;
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    int status = from->open(from, path, WR_FILE_READ, &file, &image->err);
    if (status == WR_OK) {
        status = read_all(image, file, path, &bytes);
        from->close(file);
    }
    if (status != WR_OK) {
        wr_buf_release(&bytes);
        return;
    }
    known->kind = KIND_FILE;
    known->bytes = bytes.bytes;
    known->size = bytes.length;
    image->bytes += bytes.length;
}

static uint32_t place_of(const struct wr_sim_image *image, const char *path, int *found) {
    return wr_sim_place(image->items, sizeof *image->items, image->count, path, found);
}

/* What the other world has at a path that was not looked for before; NULL: nothing. */
static const struct known *look(struct wr_sim_image *image, const char *path) {
    int found;
    uint32_t place = place_of(image, path, &found);
    if (found || image->is_sealed || image->err.status != WR_OK)
        return NULL;
    struct known made = {.path = wr_strndup(&wr_budget_control, path, strlen(path))};
    if (made.path == NULL || wr_grow(&wr_budget_control, (void **)&image->items, image->count,
                                     &image->room, sizeof made) != WR_OK) {
        wr_free(&wr_budget_control, made.path);
        wr_error_set(&image->err, WR_ENOMEM, "no memory to simulate");
        return NULL;
    }
    struct wr_file_info info;
    const char *asked = strcmp(path, "/dev/stdin") == 0 ? "-" : path;
    if (!is_hidden(image, path) && image->from->stat(image->from, asked, &info) == WR_OK) {
        if (info.is_directory)
            made.kind = KIND_DIRECTORY;
        else
            take_file(image, &made);
    }
    memmove(&image->items[place + 1], &image->items[place],
            (image->count - place) * sizeof *image->items);
    image->items[place] = made;
    image->count++;
    return made.kind == KIND_NONE ? NULL : &image->items[place];
}

const char *wr_sim_image_get(struct wr_sim_image *image, const char *path, uint64_t *size) {
    char name[WR_SIM_PATH_BYTES_MAX];
    int found = 0;
    *size = 0;
    if (!wr_sim_path(path, name, sizeof name))
        return NULL;
    uint32_t place = place_of(image, name, &found);
    if (!found || image->items[place].kind != KIND_FILE)
        return NULL;
    *size = image->items[place].size;
    return *size > 0 ? image->items[place].bytes : "";
}

/* ---- in a world ---- */

static int lay(struct wr_sim *sim, const struct known *known) {
    return wr_sim_lay(sim, known->path, known->bytes, known->size, known->kind == KIND_DIRECTORY);
}

int wr_sim_use_image(struct wr_sim *sim, struct wr_sim_image *image) {
    sim->image = image;
    for (uint32_t i = 0; i < image->count; i++)
        if (image->items[i].kind != KIND_NONE && lay(sim, &image->items[i]) != 0)
            return WR_ENOMEM;
    return WR_OK;
}

struct wr_sim_inode *wr_sim_inode_fetch(struct wr_sim *sim, const char *path) {
    struct wr_sim_inode *inode = wr_sim_inode_at(sim, path);
    if (inode != NULL || sim->image == NULL || sim->image->is_sealed || path[0] == 0)
        return inode;
    const struct known *known = look(sim->image, path);
    return known == NULL || lay(sim, known) != 0 ? NULL : wr_sim_inode_at(sim, path);
}

static int fetch(void *ctx, const char *path) {
    char name[WR_SIM_PATH_BYTES_MAX];
    if (wr_sim_path(path, name, sizeof name))
        wr_sim_inode_fetch(ctx, name);
    return 0;
}

void wr_sim_fetch_all(struct wr_sim *sim, const char *pattern) {
    struct wr_sim_image *image = sim->image;
    if (image == NULL || image->is_sealed)
        return;
    for (uint32_t i = 0; i < image->pattern_count; i++)
        if (strcmp(image->patterns[i], pattern) == 0)
            return;
    char *copy = wr_strndup(&wr_budget_control, pattern, strlen(pattern));
    if (copy == NULL || wr_grow(&wr_budget_control, (void **)&image->patterns, image->pattern_count,
                                &image->pattern_room, sizeof copy) != WR_OK) {
        wr_free(&wr_budget_control, copy);
        wr_error_set(&image->err, WR_ENOMEM, "no memory to simulate");
        return;
    }
    image->patterns[image->pattern_count++] = copy;
    struct wr_error ignored = {0};
    image->from->glob(image->from, pattern, fetch, sim, &ignored);
}
