/* fuzz_expressions.c: any text is an expression, a list, an order or a schema, or is refused with
 * a known code and a place in it. What was read reads again from the part that each node spans. */
#include "lua_target.h"

static const char chunk[] =
    "local expr, schema = require('weir.grammar.expr'), require('weir.schema_text')\n"
    "local errors = require('weir.errors')\n"
    "local parsers = { expr.parse_list, expr.parse_order, expr.parse_columns, schema.parse,\n"
    "  schema.params, schema.names }\n"
    "local function check(text, err)\n"
    "  assert(errors.lookup(err.code) and err.message ~= '', err.message)\n"
    "  assert(err.from >= 1 and err.from <= #text + 1, 'from: ' .. err.message)\n"
    "  assert(err.to >= err.from and err.to <= math.max(#text, err.from), 'to: ' .. err.message)\n"
    "end\n"
    "return function(text)\n"
    "  for _, parse in ipairs(parsers) do\n"
    "    local ast, err = parse(text)\n"
    "    if not ast then check(text, err) end\n"
    "  end\n"
    "  local ast, err = expr.parse_expr(text)\n"
    "  if not ast then return check(text, err) end\n"
    "  local count = 0\n"
    "  expr.walk(ast, function(node)\n"
    "    count = count + 1\n"
    "    if count > 50 then return end\n"
    "    local part = assert(expr.parse_expr(text:sub(node.from, node.to)))\n"
    "    assert(part.k == node.k and part.op == node.op and part.name == node.name, node.k)\n"
    "  end)\n"
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    return feed_lua(chunk, data, size_bytes);
}
