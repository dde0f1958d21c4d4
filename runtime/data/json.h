/* json.h: the JSON codecs, one a table. */
#pragma once
#include "data/codec.h"

extern const struct wr_decoder_type wr_ndjson_decoder, wr_json_decoder;
extern const struct wr_encoder_type wr_ndjson_encoder, wr_json_encoder;

/* The `infer` of the two. */
int wr_ndjson_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                    uint64_t length, int complete, struct wr_inferred *inferred,
                    struct wr_error *err);
int wr_json_infer(struct wr_arena *arena, const struct wr_value *options, const char *bytes,
                  uint64_t length, int complete, struct wr_inferred *inferred,
                  struct wr_error *err);
