/* sql.c: see sql.h. */
#include "conn/sql.h"

#include "base/buf.h"
#include "base/banned.h"

int wr_sql_add_name(struct wr_buf *sql, const char *name) {
    wr_buf_add_char(sql, '"');
    for (; *name != 0; name++) {
        if (*name == '"')
            wr_buf_add_char(sql, '"');
        wr_buf_add_char(sql, *name);
    }
    return wr_buf_add_char(sql, '"');
}
