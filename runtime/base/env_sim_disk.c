/* env_sim_disk.c: see env_sim_disk.h. */
#include "base/env_sim_disk.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/banned.h"

#define SECTOR_BYTES 512u

uint64_t wr_sim_next_random(struct wr_sim *sim) {
    sim->random += UINT64_C(0x9e3779b97f4a7c15);
    return wr_hash_u64(sim->random, UINT64_C(0x5bf03635d1b4e8a7));
}

/* ---- contents ---- */

/* What an image lends is copied before it changes. */
static int content_own(struct wr_sim_content *content) {
    if (content->room > 0 || content->size == 0)
        return 0;
    char *bytes = wr_alloc(&wr_budget_control, content->size);
    if (bytes == NULL)
        return ENOMEM;
    memcpy(bytes, content->bytes, content->size);
    content->bytes = bytes;
    content->room = content->size;
    return 0;
}

/* Grows or cuts; new bytes are zeros. The bytes are its own then. */
static int content_resize(struct wr_sim_content *content, uint64_t size) {
    if (content_own(content) != 0)
        return ENOMEM;
    if (content->room == 0) /* nothing was lent */
        content->bytes = NULL;
    if (size > content->room) {
        uint64_t room = WR_MAX(size, content->room * 2);
        char *bytes = wr_realloc(&wr_budget_control, content->bytes, room);
        if (bytes == NULL)
            return ENOMEM;
        content->bytes = bytes;
        content->room = room;
    }
    if (size > content->size)
        memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
    return 0;
}

static void content_release(struct wr_sim_content *content) {
    if (content->room > 0)
        wr_free(&wr_budget_control, content->bytes);
    *content = (struct wr_sim_content){0};
}

static int64_t file_time(const struct wr_sim *sim) {
    return sim->tick_us == 0 ? sim->now_us : sim->now_us / sim->tick_us * sim->tick_us;
}

static void inode_changed(struct wr_sim *sim, struct wr_sim_inode *inode, uint64_t from,
                          uint64_t to) {
    if (inode->changed_from > inode->changed_to) {
        inode->changed_from = from;
        inode->changed_to = to;
    }
    inode->changed_from = WR_MIN(inode->changed_from, from);
    inode->changed_to = WR_MAX(inode->changed_to, to);
    inode->modified_us = file_time(sim);
}

int wr_sim_inode_write(struct wr_sim *sim, struct wr_sim_inode *inode, const void *bytes,
                       uint64_t length, uint64_t at) {
    if (length == 0)
        return 0;
    int number = content_resize(&inode->now, WR_MAX(at + length, inode->now.size));
    if (number != 0)
        return number;
    memcpy(inode->now.bytes + at, bytes, length);
    inode_changed(sim, inode, at, at + length);
    return 0;
}

int wr_sim_inode_truncate(struct wr_sim *sim, struct wr_sim_inode *inode, uint64_t size) {
    uint64_t low = WR_MIN(size, inode->now.size), high = WR_MAX(size, inode->now.size);
    int number = content_resize(&inode->now, size);
    if (number == 0 && low != high)
        inode_changed(sim, inode, low, high);
    return number;
}

int wr_sim_inode_sync(struct wr_sim_inode *inode) {
    inode->durable_mark = inode->mark;
    if (inode->changed_from > inode->changed_to)
        return 0;
    int number = content_resize(&inode->durable, inode->now.size);
    uint64_t to = WR_MIN(inode->changed_to, inode->now.size);
    if (number == 0 && inode->changed_from < to)
        memcpy(inode->durable.bytes + inode->changed_from, inode->now.bytes + inode->changed_from,
               to - inode->changed_from);
    if (number == 0) {
        inode->changed_from = 1;
        inode->changed_to = 0;
    }
    return number;
}

/* What is left of one sector: the new bytes, the old ones, or the new ones up to some place. */
static void sector_lose(struct wr_sim *sim, struct wr_sim_inode *inode, uint64_t at) {
    uint64_t size = WR_MIN(inode->now.size - at, (uint64_t)SECTOR_BYTES);
    uint64_t random = wr_sim_next_random(sim), kept = 0;
    if (random % 3 == 0)
        return;
    if (random % 3 == 1)
        kept = (random >> 8) % size;
    for (uint64_t i = at + kept; i < at + size; i++)
        inode->now.bytes[i] = i < inode->durable.size ? inode->durable.bytes[i] : 0;
}

void wr_sim_inode_lose(struct wr_sim *sim, struct wr_sim_inode *inode) {
    if (memcmp(&inode->mark, &inode->durable_mark, sizeof inode->mark) != 0 &&
        wr_sim_next_random(sim) % 2 == 0)
        inode->mark = inode->durable_mark;
    inode->durable_mark = inode->mark;
    if (inode->changed_from > inode->changed_to)
        return;
    uint64_t from = inode->changed_from / SECTOR_BYTES * SECTOR_BYTES;
    uint64_t size = inode->now.size;
    if (size != inode->durable.size && wr_sim_next_random(sim) % 2 == 0)
        size = inode->durable.size;
    /* A file that shrank and whose shrinking is lost has its old end again. */
    uint64_t old_size = inode->now.size;
    if (content_resize(&inode->now, size) != 0)
        size = old_size;
    if (size > old_size)
        memcpy(inode->now.bytes + old_size, inode->durable.bytes + old_size, size - old_size);
    for (uint64_t at = from; at < WR_MIN(inode->changed_to, size); at += SECTOR_BYTES)
        sector_lose(sim, inode, at);
    inode->changed_from = 0;
    inode->changed_to = WR_MAX(inode->now.size, inode->durable.size);
    int number = wr_sim_inode_sync(inode);
    WR_ASSERT(number == 0);
}

/* ---- names ---- */

int wr_sim_path(const char *path, char *out, size_t size) {
    size_t length = 0, root = path[0] == '/';
    if (root)
        out[length++] = '/';
    while (*path != 0) {
        size_t part = strcspn(path, "/");
        int is_up = part == 2 && path[0] == '.' && path[1] == '.';
        if (is_up && length > root) {
            while (length > root && out[--length] != '/') {}
        } else if (part > 0 && !(part == 1 && path[0] == '.') && !is_up) {
            int slash = length > root;
            if (length + part + 2 > size)
                return 0;
            if (slash)
                out[length++] = '/';
            memcpy(out + length, path, part);
            length += part;
        }
        path += part + (path[part] == '/');
    }
    out[length] = 0;
    return 1;
}

uint32_t wr_sim_place(const void *items, size_t item_bytes, uint32_t count, const char *path,
                      int *found) {
    uint32_t from = 0, to = count;
    *found = 0;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const char *const *one = (const void *)((const char *)items + middle * item_bytes);
        int order = strcmp(*one, path);
        if (order == 0) {
            *found = 1;
            return middle;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

uint32_t wr_sim_entry_place(const struct wr_sim *sim, const char *path, int *found) {
    return wr_sim_place(sim->entries, sizeof *sim->entries, sim->entry_count, path, found);
}

struct wr_sim_inode *wr_sim_inode_at(const struct wr_sim *sim, const char *path) {
    int found;
    uint32_t place = wr_sim_entry_place(sim, path, &found);
    return found ? sim->entries[place].now : NULL;
}

struct wr_sim_entry *wr_sim_entry_make(struct wr_sim *sim, const char *path) {
    int found;
    uint32_t place = wr_sim_entry_place(sim, path, &found);
    if (found)
        return &sim->entries[place];
    if (sim->entry_count == sim->entry_room) {
        uint32_t room = WR_MAX(sim->entry_room * 2, 16u);
        struct wr_sim_entry *entries =
            wr_realloc(&wr_budget_control, sim->entries, room * sizeof *entries);
        if (entries == NULL)
            return NULL;
        sim->entries = entries;
        sim->entry_room = room;
    }
    char *copy = wr_strndup(&wr_budget_control, path, strlen(path));
    if (copy == NULL)
        return NULL;
    memmove(&sim->entries[place + 1], &sim->entries[place],
            (sim->entry_count - place) * sizeof *sim->entries);
    sim->entry_count++;
    sim->entries[place] = (struct wr_sim_entry){.path = copy};
    return &sim->entries[place];
}

void wr_sim_directory_sync(struct wr_sim *sim, const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1; /* with the slash */
    for (uint32_t i = 0; i < sim->entry_count; i++) {
        struct wr_sim_entry *entry = &sim->entries[i];
        if (strncmp(entry->path, path, length) == 0 && strchr(entry->path + length, '/') == NULL)
            entry->durable = entry->now;
    }
}

/* The smallest that no file has. */
static uint64_t free_number(const struct wr_sim *sim) {
    uint64_t number = 1;
    for (const struct wr_sim_inode *one = sim->inodes; one != NULL;) {
        int is_taken = one->number == number;
        number += (uint64_t)is_taken;
        one = is_taken ? sim->inodes : one->next;
    }
    return number;
}

struct wr_sim_inode *wr_sim_inode_new(struct wr_sim *sim, int is_directory) {
    struct wr_sim_inode *inode = wr_alloc_zero(&wr_budget_control, sizeof *inode);
    if (inode == NULL)
        return NULL;
    inode->number = sim->reuses_numbers ? free_number(sim) : ++sim->inode_count;
    inode->is_directory = (uint8_t)is_directory;
    inode->changed_from = 1;
    inode->modified_us = file_time(sim);
    inode->born_us = sim->hides_birth ? 0 : inode->modified_us;
    inode->next = sim->inodes;
    sim->inodes = inode;
    return inode;
}

void wr_sim_collect(struct wr_sim *sim) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sim->entry_count; i++) {
        if (sim->entries[i].now != NULL || sim->entries[i].durable != NULL)
            sim->entries[kept++] = sim->entries[i];
        else
            wr_free(&wr_budget_control, sim->entries[i].path);
    }
    sim->entry_count = kept;
    for (struct wr_sim_inode **link = &sim->inodes; *link != NULL;) {
        struct wr_sim_inode *inode = *link;
        int is_named = 0;
        for (uint32_t i = 0; i < sim->entry_count && !is_named; i++)
            is_named = sim->entries[i].now == inode || sim->entries[i].durable == inode;
        if (is_named || inode->open_count > 0) {
            link = &inode->next;
            continue;
        }
        *link = inode->next;
        content_release(&inode->now);
        content_release(&inode->durable);
        wr_free(&wr_budget_control, inode);
    }
}

int wr_sim_parent_errno(struct wr_sim *sim, const char *path) {
    char parent[WR_SIM_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path || strncmp(path, "/dev/", 5) == 0)
        return 0;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = 0;
    const struct wr_sim_inode *inode = wr_sim_inode_fetch(sim, parent);
    return inode == NULL ? ENOENT : inode->is_directory ? 0 : ENOTDIR;
}

int wr_sim_make_at(struct wr_sim *sim, const char *path, int is_directory,
                   struct wr_sim_inode **inode) {
    int number = wr_sim_parent_errno(sim, path);
    if (number != 0)
        return number;
    struct wr_sim_entry *entry = wr_sim_entry_make(sim, path);
    *inode = entry == NULL ? NULL : wr_sim_inode_new(sim, is_directory);
    if (*inode == NULL)
        return ENOMEM;
    entry->now = *inode;
    return 0;
}

int wr_sim_lay(struct wr_sim *sim, const char *path, const char *bytes, uint64_t size,
               int is_directory) {
    struct wr_sim_entry *entry = wr_sim_entry_make(sim, path);
    struct wr_sim_inode *inode = entry == NULL ? NULL : wr_sim_inode_new(sim, is_directory);
    if (inode == NULL)
        return ENOMEM;
    inode->now = inode->durable = (struct wr_sim_content){.bytes = (char *)bytes, .size = size};
    inode->is_stream = strncmp(path, "/dev/", 5) == 0;
    entry->now = entry->durable = inode;
    return 0;
}
