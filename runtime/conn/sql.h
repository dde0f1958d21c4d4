/* sql.h: text of SQL, as all databases read it. */
#pragma once

struct wr_buf;

/* Appends "name", quotes doubled. */
int wr_sql_add_name(struct wr_buf *sql, const char *name);
