/* replay.h: the format of files of rejects, read again as the records that they hold. Private to
 * the room.
 * Options: rows = the format of the file; records = {FORMAT = its options}: what records may be, by
 * the ending of their `source`, or one for all. */
#pragma once
#include "data/codec.h"

extern const struct wr_decoder_type wr_replay_decoder;
