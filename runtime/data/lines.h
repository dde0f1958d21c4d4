/* lines.h: the format `lines`. */
#pragma once
#include "data/codec.h"

extern const struct wr_decoder_type wr_lines_decoder;

/* Of formats with a record a line: as `records_end`. */
uint64_t wr_lines_end(const struct wr_decoder *decoder, const char *bytes, uint64_t length);
