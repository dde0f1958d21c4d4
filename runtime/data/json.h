/* json.h: the JSON codecs, one a table. */
#pragma once
#include "data/codec.h"

extern const struct wr_decoder_type wr_ndjson_decoder, wr_json_decoder;
extern const struct wr_encoder_type wr_ndjson_encoder, wr_json_encoder;
