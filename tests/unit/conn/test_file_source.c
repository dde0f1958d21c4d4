/* test_file_source.c: files of all kinds, read in pieces, entered again, and what is said when they
 * cannot be read. */
#include "support_conn.h"

TEST(file_source_reads_a_csv_file_by_its_header) {
    struct world w;
    world_begin(&w);
    const char *path = in_folder(&w, "a.csv");
    put_text(path, "id,name\n1,anna\n2,bert\n,\n");
    for (uint32_t rows = 1; rows <= 4; rows++)
        CHECK_STR(all_rows(&w, &wr_source_file,
                           value_of_json(&w, "{'endpoint':{'address':'%s'}}", path), rows),
                  "1,anna\n2,bert\nnil,nil\n");
    world_end(&w);
}
