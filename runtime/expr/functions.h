/* functions.h: the arrays of the function library, one a group; each ends with name NULL. A new
 * array is declared here and listed in functions.c. Not part of the room's surface (function.h
 * is). */
#pragma once
#include "expr/function.h"

/* The pairs behind wr_function_foreign, for documents and tests: 0 behind the last. */
int wr_function_foreign_at(uint32_t index, const char **name, const char **ours);

extern const struct wr_function wr_functions_conditions[];
extern const struct wr_function wr_functions_conversion[];
extern const struct wr_function wr_functions_conversion_time[];
extern const struct wr_function wr_functions_json_in[];
extern const struct wr_function wr_functions_text[];
extern const struct wr_function wr_functions_search[];
extern const struct wr_function wr_functions_patterns[];
extern const struct wr_function wr_functions_numbers[];
extern const struct wr_function wr_functions_math[];
extern const struct wr_function wr_functions_time[];
extern const struct wr_function wr_functions_calendar[];
extern const struct wr_function wr_functions_time_text[];
extern const struct wr_function wr_functions_hash[];
extern const struct wr_function wr_functions_regex[];
extern const struct wr_function wr_functions_encodings[];
extern const struct wr_function wr_functions_similar[];
extern const struct wr_function wr_functions_geo[];
extern const struct wr_function wr_functions_network[];
extern const struct wr_function wr_functions_list[];
extern const struct wr_function wr_functions_json[];
extern const struct wr_function wr_functions_characters[];
extern const struct wr_function wr_functions_privacy[];
