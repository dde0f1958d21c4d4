/* time_value.h: timestamps, dates, durations and decimals inside Lua functions: userdata with
 * operators that mean what they mean in expressions. */
#pragma once
#include <stdint.h>

#include "data/type.h"

struct lua_State;

struct time_value {
    enum wr_type_kind kind; /* timestamp, date, duration */
    int64_t value;          /* microseconds, days, microseconds */
};

void time_value_type(struct lua_State *L); /* makes the metatable, once a state */
void time_value_push(struct lua_State *L, enum wr_type_kind kind, int64_t value);
/* The value at `index`, or NULL when it is something else. */
const struct time_value *time_value_test(struct lua_State *L, int index);

/* A decimal. The number lies in two halves, because Lua aligns userdata to 8 bytes. */
struct decimal_value {
    uint64_t halves[2];
    uint8_t precision, scale;
};
void decimal_value_type(struct lua_State *L);
void decimal_value_push(struct lua_State *L, __int128 number, uint8_t precision, uint8_t scale);
const struct decimal_value *decimal_value_test(struct lua_State *L, int index);
__int128 decimal_value_number(const struct decimal_value *decimal);
/* The decimal, or integer, at `index` with the digits of `type`; 0: it has too many. */
int decimal_value_rescale(struct lua_State *L, int index, const struct wr_type *type,
                          __int128 *number);
