/* lines.h: the format `lines`. */
#pragma once
#include "data/codec.h"

extern const struct wr_decoder_type wr_lines_decoder;
