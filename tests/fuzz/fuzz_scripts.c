/* fuzz_scripts.c: a text that Lua compiles is read by our grammar and loads with marks, which do
 * not move its lines; any other is refused with a place that shows. Nothing of it runs. */
#include "lua_target.h"

static const char chunk[] =
    "local errors, loader = require('weir.errors'), require('weir.loader')\n"
    "local marks, lua = require('weir.marks'), require('weir.grammar.lua')\n"
    "local scope = require('weir.grammar.scope')\n"
    "local source = require('weir.source')\n"
    "return function(text)\n"
    "  loader.reset()\n"
    "  local loaded, err = loader.load(text, 'script.lua', {})\n"
    "  if not loaded then\n"
    "    local shown = errors.render(err, err.located)\n"
    "    assert(shown:find('^script%.lua:%d+:%d+: error%[W%d+%]: '), shown)\n"
    "    return\n"
    "  end\n"
    "  local file = source.new('script.lua', text)\n"
    "  local block = assert(lua.parse(file.text), 'not read')\n"
    "  scope.resolve(block)\n"
    "  local marked = marks.insert(file.text, block, 1)\n"
    "  local function lines(s) return select(2, s:gsub('[\\r\\n]', '')) end\n"
    "  assert(lines(marked) == lines(file.text), 'lines moved')\n"
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    return feed_lua(chunk, data, size_bytes);
}
