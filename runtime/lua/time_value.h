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
