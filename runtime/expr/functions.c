/* functions.c: the registry of the function library: finds by name, walks all. */
#include "expr/functions.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/banned.h"

#define SLOTS 2048 /* a power of two, well above twice the number of functions */
#define NAME_SEED UINT64_C(0x66756e63)

static const struct wr_function *const groups[] = {
    wr_functions_conditions, wr_functions_conversion, wr_functions_conversion_time,
    wr_functions_json_in,    wr_functions_text,       wr_functions_search,
    wr_functions_patterns,   wr_functions_numbers,    wr_functions_math,
    wr_functions_time,       wr_functions_calendar,   wr_functions_time_text,
    wr_functions_hash,       wr_functions_regex,      wr_functions_encodings,
    wr_functions_similar,    wr_functions_geo,        wr_functions_network,
    wr_functions_list,       wr_functions_json,       wr_functions_characters,
    wr_functions_privacy,
};

static const struct wr_function *slots[SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static uint32_t slot_of(const char *name, uint32_t length) {
    return (uint32_t)wr_hash_bytes(name, length, NAME_SEED) & (SLOTS - 1);
}

static void fill_slots(void) {
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *function = wr_function_at(i);
        uint32_t at = slot_of(function->name, (uint32_t)strlen(function->name));
        WR_ASSERT(i < SLOTS / 2);
        while (slots[at] != NULL) {
            WR_ASSERT(strcmp(slots[at]->name, function->name) != 0);
            at = (at + 1) & (SLOTS - 1);
        }
        slots[at] = function;
    }
}

const struct wr_function *wr_function_at(uint32_t index) {
    for (uint32_t group = 0; group < WR_COUNT(groups); group++) {
        uint32_t count = 0;
        while (groups[group][count].name != NULL)
            count++;
        if (index < count)
            return &groups[group][index];
        index -= count;
    }
    return NULL;
}

const struct wr_function *wr_function_find(const char *name, uint32_t length) {
    pthread_once(&slots_once, fill_slots);
    for (uint32_t at = slot_of(name, length); slots[at] != NULL; at = (at + 1) & (SLOTS - 1))
        if (strlen(slots[at]->name) == length && memcmp(slots[at]->name, name, length) == 0)
            return slots[at];
    return NULL;
}
