/* table_sink.h: what sinks into tables of databases have in common: the mode, and rows that have
 * one key. */
#pragma once
#include <stdint.h>

#include "conn/endpoint.h"

enum wr_table_mode { WR_TABLE_APPEND, WR_TABLE_UPSERT, WR_TABLE_REPLACE, WR_TABLE_NEW };

/* `mode =`, or upsert where there is a key. The key is left empty where rows are only added. W404,
 * W306; `kind`: of the endpoint, for messages. */
int wr_table_choose_mode(struct wr_endpoint_bind *bind, const struct wr_options *options,
                         const char *kind, enum wr_table_mode *mode, uint32_t *key_count,
                         const uint16_t **key, struct wr_error *err);
/* The columns of the key alone, in the plan's arena. NULL: no memory. */
const struct wr_schema *wr_table_key_schema(const struct wr_endpoint_bind *bind);
/* Whether two rows of a batch are one to a table with this key. */
int wr_table_same_key(const struct wr_batch *batch, const uint16_t *key, uint32_t key_count,
                      uint32_t a, uint32_t b);
/* The table has rows that the state does not know of, and the rows that come are those of another
 * script (wr_sink.differs): sets the error, W601, and returns WR_EREFUSED. */
int wr_table_is_ahead(const char *name, uint64_t rows, struct wr_error *err);
/* Rows that the state does not know of cannot be taken back (sqlite_undo.h, postgres_undo.h), and
 * `why`: sets the error, W623, and returns WR_EREFUSED. */
int wr_table_not_back(const char *place, const char *table, const char *why, struct wr_error *err);
/* `rows` of the sink went into `table`, as what is kept beside it says, and it is not there: sets
 * the error, W613, and returns WR_ECORRUPT. Made anew it would have only the rows that come.
 * `is_beside`: it is the one that is filled until the run is complete. */
int wr_table_is_gone(const char *name, const char *table, int is_beside, uint64_t rows,
                     struct wr_error *err);
/* Says once in a run that the table has left out rows (wr_sink.left_out); for each `prepare` and
 * `finish`. */
void wr_table_tell_left_out(struct wr_sink *sink);
/* Says what is not taken back of rows without a key that the state does not know of: all of them,
 * and `why`; or what a trigger, or rule, of this name did elsewhere; "" for neither. */
void wr_table_tell_undo(const struct wr_sink *sink, const char *why, const char *trigger);
/* … and where of `rows` some were changed by others meanwhile. */
void wr_table_tell_changed(const struct wr_sink *sink, uint64_t rows, uint64_t changed);
/* Says at the start of a new state that the table has rows, which those that come replace. */
void wr_table_tell_there(const struct wr_sink *sink);
/* A row leaves as a reject (W509). */
int wr_table_refuse(struct wr_sink *sink, struct wr_batch *batch, uint32_t row, const char *detail);
