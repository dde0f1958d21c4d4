#include "data/zone.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "data/time.h"
#include "data/zone_rule.h"
#include "base/banned.h"

#define ZONE_FILE_BYTES_MAX (1u << 20)
#define ZONE_NAME_BYTES_MAX 64
#define ZONES_MAX 2048 /* different names that one process may ask for */
#define CYCLE_YEARS 400
#define CYCLE_SECONDS (INT64_C(146097) * 86400)

struct change {
    int64_t at_s;
    uint32_t kind; /* index into kinds: what holds from then on */
};
struct kind {
    int32_t offset_s;
    uint8_t is_dst;
    char name[11];
};

struct wr_zone {
    struct wr_zone *next;
    char name[ZONE_NAME_BYTES_MAX + 1];
    uint32_t change_count, kind_count;
    struct change *changes;
    struct kind *kinds;
    uint32_t first_kind;  /* before the first change */
    int64_t cycle_from_s; /* from here on, changes repeat every 400 years; INT64_MAX: none */
};

/* ---- reading a file ------------------------------------------------------------------------- */

struct block {
    uint32_t utc_count, standard_count, leap_count, time_count, type_count, char_count;
};

static uint32_t big32(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return __builtin_bswap32(value);
}
static int64_t big64(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return (int64_t)__builtin_bswap64(value);
}

static int block_read(struct wr_reader *in, struct block *block, char *version) {
    const char *head = wr_reader_bytes(in, 44);
    if (head == NULL || memcmp(head, "TZif", 4) != 0)
        return 0;
    *version = head[4];
    *block = (struct block){big32(head + 20), big32(head + 24), big32(head + 28),
                            big32(head + 32), big32(head + 36), big32(head + 40)};
    return block->time_count < 65536 && block->type_count < 256 && block->char_count < 65536 &&
           block->leap_count < 65536 && block->utc_count < 256 && block->standard_count < 256;
}

static size_t block_bytes(const struct block *b, size_t time_bytes) {
    return b->time_count * (time_bytes + 1) + b->type_count * 6u + b->char_count +
           b->leap_count * (time_bytes + 4) + b->standard_count + b->utc_count;
}

/* The 64-bit block of a file into `zone`, and the rule behind it. 0: it is no such file. */
static int zone_parse(struct wr_zone *zone, struct wr_reader *in, struct wr_zone_rule *rule,
                      uint32_t change_room) {
    struct block b;
    char version;
    if (!block_read(in, &b, &version) || version < '2' ||
        wr_reader_bytes(in, block_bytes(&b, 4)) == NULL || !block_read(in, &b, &version))
        return 0;
    const char *times = wr_reader_bytes(in, b.time_count * 8u);
    const char *types = wr_reader_bytes(in, b.time_count);
    const char *infos = wr_reader_bytes(in, b.type_count * 6u);
    const char *names = wr_reader_bytes(in, b.char_count);
    wr_reader_bytes(in, b.leap_count * 12u + b.standard_count + b.utc_count);
    if (in->failed || b.type_count == 0 || b.time_count > change_room)
        return 0;
    for (uint32_t i = 0; i < b.type_count; i++) {
        struct kind *kind = &zone->kinds[i];
        uint32_t name_at = (unsigned char)infos[i * 6 + 5];
        kind->offset_s = (int32_t)big32(infos + i * 6);
        kind->is_dst = infos[i * 6 + 4] != 0;
        if (name_at < b.char_count)
            snprintf(kind->name, sizeof kind->name, "%.*s", (int)(b.char_count - name_at),
                     names + name_at);
    }
    zone->kind_count = b.type_count;
    for (uint32_t i = 0; i < b.time_count; i++) {
        uint32_t kind = (unsigned char)types[i];
        if (kind >= b.type_count)
            return 0;
        zone->changes[i] = (struct change){.at_s = big64(times + i * 8u), .kind = kind};
    }
    zone->change_count = b.time_count;
    const char *footer = wr_reader_bytes(in, 1);
    size_t length = in->length - in->at;
    const char *text = in->bytes + in->at;
    const char *end = footer == NULL ? NULL : memchr(text, '\n', length);
    rule->has = 0;
    return end == NULL || end == text || wr_zone_rule_parse(rule, text, (size_t)(end - text));
}

/* The kind with these facts, added when it is new. */
static uint32_t kind_find(struct wr_zone *zone, const struct wr_zone_rule_part *part, int is_dst) {
    for (uint32_t i = 0; i < zone->kind_count; i++)
        if (zone->kinds[i].offset_s == part->offset_s && zone->kinds[i].is_dst == is_dst &&
            strcmp(zone->kinds[i].name, part->name) == 0)
            return i;
    struct kind *kind = &zone->kinds[zone->kind_count];
    kind->offset_s = part->offset_s;
    kind->is_dst = (uint8_t)is_dst;
    memcpy(kind->name, part->name, sizeof kind->name);
    return zone->kind_count++;
}

/* Writes the changes of a rule out for a whole cycle of years behind the last change. */
static void zone_extend(struct wr_zone *zone, const struct wr_zone_rule *rule) {
    zone->cycle_from_s = INT64_MAX;
    if (!rule->has)
        return;
    uint32_t standard = kind_find(zone, &rule->standard, 0);
    if (!rule->has_dst) {
        if (zone->change_count == 0)
            zone->first_kind = standard;
        return;
    }
    uint32_t dst = kind_find(zone, &rule->dst, 1);
    int64_t last = zone->change_count > 0 ? zone->changes[zone->change_count - 1].at_s : INT64_MIN;
    int64_t year = 1970;
    while (last > wr_zone_rule_change(rule, year, 0) || last > wr_zone_rule_change(rule, year, 1))
        year++;
    for (int64_t y = year - 1; y <= year + CYCLE_YEARS + 1; y++) {
        int64_t begin = wr_zone_rule_change(rule, y, 0);
        int64_t end = wr_zone_rule_change(rule, y, 1);
        struct change pair[2] = {{begin, dst}, {end, standard}};
        if (end < begin) {
            pair[0] = (struct change){end, standard};
            pair[1] = (struct change){begin, dst};
        }
        for (int i = 0; i < 2; i++)
            if (pair[i].at_s > last)
                zone->changes[zone->change_count++] = pair[i];
    }
    zone->cycle_from_s = wr_days_from_civil(year + CYCLE_YEARS, 1, 1) * 86400;
}

/* ---- loading -------------------------------------------------------------------------------- */

static int file_read(struct wr_buf *out, const char *name) {
    const struct wr_env *env = wr_env_real();
    char path[128];
    struct wr_file *file;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    struct wr_file_info info;
    if (env->stat(env, path, &info) != WR_OK || info.is_directory ||
        info.size_bytes > ZONE_FILE_BYTES_MAX)
        return WR_ENOENT;
    if (env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return WR_ENOENT;
    int status = WR_OK;
    for (;;) {
        status = wr_buf_reserve(out, 4096);
        if (status != WR_OK)
            break;
        int64_t got = env->read(file, out->bytes + out->length, 4096, -1);
        if (got <= 0) {
            status = got < 0 ? WR_ENOENT : WR_OK;
            break;
        }
        out->length += (size_t)got;
    }
    env->close(file);
    return status;
}

static void zone_free(struct wr_zone *zone) {
    if (zone == NULL)
        return;
    wr_free(&wr_budget_control, zone->changes);
    wr_free(&wr_budget_control, zone->kinds);
    wr_free(&wr_budget_control, zone);
}

/* An empty zone with room. */
static struct wr_zone *zone_new(const char *name, uint32_t change_room, uint32_t kind_room) {
    struct wr_zone *zone = wr_alloc_zero(&wr_budget_control, sizeof *zone);
    if (zone == NULL)
        return NULL;
    zone->changes = wr_alloc_zero(&wr_budget_control, sizeof *zone->changes * change_room);
    zone->kinds = wr_alloc_zero(&wr_budget_control, sizeof *zone->kinds * kind_room);
    snprintf(zone->name, sizeof zone->name, "%s", name);
    zone->cycle_from_s = INT64_MAX;
    if (zone->changes != NULL && zone->kinds != NULL)
        return zone;
    zone_free(zone);
    return NULL;
}

static int zone_load(struct wr_zone **zone, const char *name) {
    struct wr_buf file;
    wr_buf_init(&file, &wr_budget_control, ZONE_FILE_BYTES_MAX + 8192);
    *zone = NULL;
    int status = file_read(&file, name);
    if (status == WR_OK) {
        uint32_t room = (uint32_t)(file.length / 9) + 1;
        *zone = zone_new(name, room + 2 * (CYCLE_YEARS + 3), 256 + 2);
        status = *zone == NULL ? WR_ENOMEM : WR_OK;
        struct wr_reader in = {.bytes = file.bytes, .length = file.length};
        struct wr_zone_rule rule;
        if (status == WR_OK && !zone_parse(*zone, &in, &rule, room)) {
            zone_free(*zone);
            *zone = NULL;
            status = WR_ECORRUPT;
        }
        if (status == WR_OK)
            zone_extend(*zone, &rule);
    }
    wr_buf_release(&file);
    return status;
}

/* "+02:00", "-0530", "+2": a zone with one offset. 0: the name is no offset. */
static int offset_parse(const char *name, int32_t *offset_s) {
    if (*name != '+' && *name != '-')
        return 0;
    int digits[4];
    int count = 0;
    int colon = 0;
    for (const char *at = name + 1; *at != 0; at++) {
        if (*at == ':' && !colon && count > 0) {
            colon = 1;
            if (count == 1)
                digits[1] = digits[0], digits[0] = 0, count = 2;
            continue;
        }
        if (*at < '0' || *at > '9' || count == 4)
            return 0;
        digits[count++] = *at - '0';
    }
    if (count == 1)
        digits[1] = digits[0], digits[0] = 0, count = 2;
    if (count == 2)
        digits[2] = digits[3] = 0, count = 4;
    int hours = count == 4 ? digits[0] * 10 + digits[1] : 99;
    int minutes = count == 4 ? digits[2] * 10 + digits[3] : 99;
    if (hours > 18 || minutes > 59)
        return 0;
    *offset_s = (hours * 60 + minutes) * 60 * (*name == '-' ? -1 : 1);
    return 1;
}

static int name_is_plain(const char *name, size_t length) {
    if (length == 0 || length > ZONE_NAME_BYTES_MAX || name[0] == '/' || name[0] == '.')
        return 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        int good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '_' || c == '/' || c == '+' || c == '-' || c == ':';
        if (!good)
            return 0;
    }
    return 1;
}

static struct kind utc_kind = {.name = "UTC"};
static struct wr_zone utc = {
    .name = "UTC", .kind_count = 1, .kinds = &utc_kind, .cycle_from_s = INT64_MAX};
static struct wr_zone *_Atomic zones;
static uint32_t zone_count;
static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;

const struct wr_zone *wr_zone_utc(void) {
    return &utc;
}

static const struct wr_zone *zone_known(const char *name, size_t length) {
    if (length == 3 && memcmp(name, "UTC", 3) == 0)
        return &utc;
    for (const struct wr_zone *zone = zones; zone != NULL; zone = zone->next)
        if (strlen(zone->name) == length && memcmp(zone->name, name, length) == 0)
            return zone;
    return NULL;
}

static int zone_make(struct wr_zone **zone, const char *name, size_t length) {
    char text[ZONE_NAME_BYTES_MAX + 1];
    int32_t offset_s;
    if (!name_is_plain(name, length) || zone_count >= ZONES_MAX)
        return WR_ENOENT;
    memcpy(text, name, length);
    text[length] = 0;
    if (!offset_parse(text, &offset_s))
        return zone_load(zone, text);
    *zone = zone_new(text, 1, 1);
    if (*zone == NULL)
        return WR_ENOMEM;
    (*zone)->kind_count = 1;
    (*zone)->kinds[0].offset_s = offset_s;
    snprintf((*zone)->kinds[0].name, sizeof(*zone)->kinds[0].name, "%.10s", text);
    return WR_OK;
}

int wr_zone_find(const struct wr_zone **zone, const char *name, size_t length,
                 struct wr_error *err) {
    *zone = zone_known(name, length);
    if (*zone != NULL)
        return WR_OK;
    pthread_mutex_lock(&zones_lock);
    int status = WR_OK;
    *zone = zone_known(name, length);
    if (*zone == NULL) {
        struct wr_zone *made;
        status = zone_make(&made, name, length);
        if (status == WR_OK) {
            made->next = zones;
            zone_count++;
            zones = made; /* visible whole: the store is sequentially consistent */
            *zone = made;
        }
    }
    pthread_mutex_unlock(&zones_lock);
    if (status == WR_OK || status == WR_ENOMEM)
        return status;
    wr_error_script(err, "W114", "`%.*s` is no time zone", (int)WR_MIN(length, 100), name);
    wr_error_help(err, "names are those of the IANA database, as 'Europe/Berlin', or '+02:00'");
    return WR_ESCRIPT;
}

/* ---- looking up ----------------------------------------------------------------------------- */

void wr_zone_span_at(const struct wr_zone *zone, int64_t time_s, struct wr_zone_span *span) {
    int64_t shift = 0;
    if (time_s >= zone->cycle_from_s)
        shift = ((time_s - zone->cycle_from_s) / CYCLE_SECONDS + 1) * CYCLE_SECONDS;
    int64_t at = time_s - shift;
    uint32_t low = 0;
    uint32_t high = zone->change_count;
    while (low < high) { /* changes before `low` are not after `at` */
        uint32_t mid = low + (high - low) / 2;
        if (zone->changes[mid].at_s <= at)
            low = mid + 1;
        else
            high = mid;
    }
    const struct kind *kind =
        &zone->kinds[low == 0 ? zone->first_kind : zone->changes[low - 1].kind];
    span->from_s = low == 0 ? INT64_MIN : zone->changes[low - 1].at_s + shift;
    span->to_s = low == zone->change_count ? INT64_MAX : zone->changes[low].at_s + shift;
    if (shift == 0 && span->to_s > zone->cycle_from_s)
        span->to_s = zone->cycle_from_s; /* what lies behind is looked up a cycle earlier */
    span->offset_s = kind->offset_s;
    span->is_dst = kind->is_dst;
    memcpy(span->name, kind->name, sizeof span->name);
}

int32_t wr_zone_offset(const struct wr_zone *zone, int64_t time_s) {
    struct wr_zone_span span;
    wr_zone_span_at(zone, time_s, &span);
    return span.offset_s;
}

int64_t wr_zone_from_local(const struct wr_zone *zone, int64_t local_s) {
    int32_t before = wr_zone_offset(zone, local_s - 86400);
    int32_t after = wr_zone_offset(zone, local_s + 86400);
    if (wr_zone_offset(zone, local_s - before) == before)
        return local_s - before;
    if (wr_zone_offset(zone, local_s - after) == after)
        return local_s - after;
    return local_s - before; /* skipped */
}

int wr_zone_from_local_us(const struct wr_zone *zone, int64_t *time_us) {
    int64_t second = *time_us / WR_US_PER_SECOND, rest = *time_us % WR_US_PER_SECOND;
    if (rest < 0) {
        second--;
        rest += WR_US_PER_SECOND;
    }
    second = wr_zone_from_local(zone, second);
    return !__builtin_mul_overflow(second, WR_US_PER_SECOND, time_us) &&
           !__builtin_add_overflow(*time_us, rest, time_us);
}
