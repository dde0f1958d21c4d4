/* test_functions.c: the table of the function library: every entry is whole, every example holds,
 * alone and over many rows. */
#include "support_expr.h"

#include "expr/aggregate.h"
#include "expr/function.h"
#include "expr/signature.h"

TEST(every_function_is_described_and_has_examples) {
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *f = wr_function_at(i);
        uint32_t examples = 0;
        if (f->doc == NULL || f->group == NULL || f->signatures[0].text == NULL)
            test_fail(__FILE__, __LINE__, "%s lacks doc, group or signature", f->name);
        for (const struct wr_signature *s = f->signatures; s->text != NULL; s++) {
            struct wr_signature_form form;
            if (!wr_signature_parse(s->text, &form))
                test_fail(__FILE__, __LINE__, "%s: bad signature %s", f->name, s->text);
        }
        for (const struct wr_example *e = f->examples; e != NULL && e->text != NULL; e++)
            examples++;
        if (examples < 2)
            test_fail(__FILE__, __LINE__, "%s has %u examples", f->name, examples);
        CHECK_PTR(wr_function_find(f->name, (uint32_t)strlen(f->name)), ==, f);
        if (wr_function_foreign(f->name, (uint32_t)strlen(f->name)) != NULL)
            test_fail(__FILE__, __LINE__, "%s is also a foreign name", f->name);
    }
}

TEST(every_example_gives_what_it_says) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; wr_function_at(i) != NULL; i++) {
        const struct wr_function *f = wr_function_at(i);
        for (const struct wr_example *e = f->examples; e != NULL && e->text != NULL; e++) {
            struct test_world world;
            test_world_init(&world);
            const char *got = test_eval(&world, e->text, 0);
            if (strcmp(got, e->result) != 0) {
                printf("%s: %s, not %s\n", e->text, got, e->result);
                wrong++;
            }
            test_world_release(&world);
        }
    }
    CHECK_INT(wrong, ==, 0);
}
