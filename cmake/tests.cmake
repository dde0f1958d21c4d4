# What ctest runs. `./dev test` builds everything here and runs it.
#   tests/unit/<room>/test_*.c   one cmocka program each, with every room up to its floor
#   tests/fuzz/fuzz_*.c          replays tests/fuzz/corpus/<name>/*; with WEIR_FUZZ, libFuzzer's
#   spec/*_spec.lua              one run of busted each, by tests/specs.sh
#   tests/pipelines, examples    one run of tests/pipelines/run.py each
#   tests/oracle/*.py            comparisons with DuckDB or SQLite, by tests/oracle/run.sh
#   tests/random/                random pipelines, run in many ways and beside DuckDB
#   tests/program/               what was built: hardened, installable, runs from anywhere
#   tests/postgres/              with a PostgreSQL server of the test's own
#   tests/sim/                   pipelines in the simulated world of `weir sim`, by seeds
#   tests/faults/                kills, failing calls, no memory, power cuts, by iofault.c
#   tests/bench/*.c              one program each, built by the target `bench`, never run as a test
find_library(cmocka_LIBRARY cmocka)
find_package(Python3 COMPONENTS Interpreter)

# The program is built without either. `./dev test` installs them and configures again.
if(NOT cmocka_LIBRARY OR NOT Python3_Interpreter_FOUND)
  message(STATUS "no tests: cmocka (libcmocka-dev) or python3 is missing")
  set(WEIR_TESTS_MISSING ON CACHE INTERNAL "the tests are left out for want of packages")
  return()
endif()
set(WEIR_TESTS_MISSING OFF CACHE INTERNAL "the tests are left out for want of packages")

# The registry and main are not measured or fuzzed, so they are compiled once and plainly.
add_library(weir_test STATIC "${CMAKE_SOURCE_DIR}/tests/unit/test.c")
target_include_directories(weir_test PUBLIC "${CMAKE_SOURCE_DIR}/tests/unit")
target_link_libraries(weir_test PUBLIC weir_flags "${cmocka_LIBRARY}")
weir_rooms_below(base_rooms 1)
target_link_libraries(weir_test PUBLIC ${base_rooms})

foreach(room IN LISTS WEIR_ROOMS)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/${room}/test_*.c")
  file(GLOB helpers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/${room}/support_*.c")
  math(EXPR above "${WEIR_FLOOR_${room}} + 1")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    string(REGEX REPLACE "^test_" "" short "${name}")
    set(target "unit_${room}_${short}")
    add_executable(${target} "${source}" ${helpers})
    weir_rooms_below(own_first ${above})
    # A neighbour on the same floor is no business of this room, so only the room's own library.
    foreach(neighbour IN LISTS WEIR_ROOMS)
      if(NOT neighbour STREQUAL room AND WEIR_FLOOR_${neighbour} EQUAL WEIR_FLOOR_${room})
        list(REMOVE_ITEM own_first weir_${neighbour})
      endif()
    endforeach()
    target_link_libraries(${target} PRIVATE weir_test ${own_first})
    weir_link(${target} ${WEIR_FLOOR_${room}} NO_LTO)
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/unit/${room}")
    add_test(NAME "unit/${room}/${short}" COMMAND ${target}
      WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties("unit/${room}/${short}" PROPERTIES LABELS unit)
  endforeach()
endforeach()

# The tests of test.h itself.
set(harness "${CMAKE_SOURCE_DIR}/tests/harness")
add_executable(unit_harness "${harness}/planted.c")
target_link_libraries(unit_harness PRIVATE weir_test)
weir_link(unit_harness 1 NO_LTO)
add_test(NAME unit/harness
  COMMAND Python3::Interpreter "${harness}/planted.py" $<TARGET_FILE:unit_harness>)
set_tests_properties(unit/harness PROPERTIES LABELS unit TIMEOUT 600)

# Fuzz targets. `./dev fuzz` builds them for libFuzzer; elsewhere they replay their corpus.
add_custom_target(fuzz_targets)
math(EXPR above_all "${WEIR_FLOOR_cli} + 1")
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(target "${source}" NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" short "${target}")
  add_executable(${target} "${source}")
  weir_link(${target} ${above_all} NO_LTO)
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/fuzz")
  if(WEIR_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c")
  endif()
  add_dependencies(fuzz_targets ${target})
  if(NOT WEIR_FUZZ)
    add_test(NAME "fuzz/${short}"
      COMMAND ${target} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${short}")
    set_tests_properties("fuzz/${short}" PROPERTIES LABELS fuzz TIMEOUT 600)
  endif()
endforeach()

# Specs. Those that need the program find it by WEIR_PROGRAM.
set(program "${CMAKE_BINARY_DIR}/weir")
file(GLOB_RECURSE specs CONFIGURE_DEPENDS RELATIVE "${CMAKE_SOURCE_DIR}/spec"
  "${CMAKE_SOURCE_DIR}/spec/*_spec.lua")
foreach(spec IN LISTS specs)
  string(REGEX REPLACE "_spec\\.lua$" "" name "${spec}")
  add_test(NAME "spec/${name}"
    COMMAND "${CMAKE_SOURCE_DIR}/tests/specs.sh" "${program}" "spec/${spec}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties("spec/${name}" PROPERTIES LABELS spec)
endforeach()
if(WEIR_SANITIZE MATCHES "thread") # the budgets of scripts are in processor time
  set_tests_properties(spec/sandbox PROPERTIES ENVIRONMENT "WEIR_SLOWER=5")
endif()

# weir_pipeline_tests(GROUP SCRIPTS RUN_OPTION...): a test for each script; its name is that of the
# file, or of the folder of a pipeline.lua. A line `-- test: long` keeps it for `./dev test long`.
function(weir_pipeline_tests group scripts)
  foreach(script IN LISTS scripts)
    get_filename_component(name "${script}" NAME_WE)
    if(name STREQUAL "pipeline")
      get_filename_component(name "${script}" DIRECTORY)
      get_filename_component(name "${name}" NAME)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")
    file(STRINGS "${script}" long REGEX "^ *-- test: long")
    add_test(NAME "${group}/${name}" COMMAND Python3::Interpreter
      "${CMAKE_SOURCE_DIR}/tests/pipelines/run.py" --weir "${program}" ${ARGN} "${name}")
    if(long)
      set_tests_properties("${group}/${name}" PROPERTIES LABELS long)
    else()
      set_tests_properties("${group}/${name}" PROPERTIES LABELS "${group}")
    endif()
  endforeach()
endfunction()
set(folder "${CMAKE_SOURCE_DIR}/tests/pipelines")
file(GLOB pipelines CONFIGURE_DEPENDS "${folder}/*.lua" "${folder}/*/pipeline.lua")
weir_pipeline_tests(pipeline "${pipelines}")
file(GLOB examples CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples/*.lua")
file(GLOB example_specs CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples/*_spec.lua")
if(example_specs)
  list(REMOVE_ITEM examples ${example_specs})
endif()
add_test(NAME example/specs COMMAND "${CMAKE_SOURCE_DIR}/tests/specs.sh" "${program}" examples
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
set_tests_properties(example/specs PROPERTIES LABELS example)
weir_pipeline_tests(example "${examples}" --examples)

set(restarts "${CMAKE_SOURCE_DIR}/tests/pipelines/restarts.py" --weir "${program}")
add_test(NAME pipeline/restarts COMMAND Python3::Interpreter ${restarts})
set_tests_properties(pipeline/restarts PROPERTIES LABELS pipeline COST 60) # it begins first
add_test(NAME pipeline/every_restart COMMAND Python3::Interpreter ${restarts} --all)
set_tests_properties(pipeline/every_restart PROPERTIES LABELS long TIMEOUT 3600)

file(GLOB oracles CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/oracle/*.py")
if(NOT oracles)
  message(FATAL_ERROR "tests/oracle has no comparison: no *.py there")
endif()
foreach(script IN LISTS oracles)
  get_filename_component(name "${script}" NAME_WE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")
  file(STRINGS "${script}" long REGEX "^# test: long")
  add_test(NAME "oracle/${name}"
    COMMAND "${CMAKE_SOURCE_DIR}/tests/oracle/run.sh" "${program}" "${script}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties("oracle/${name}" PROPERTIES
    SKIP_RETURN_CODE 77 LABELS oracle)
  if(long)
    set_tests_properties("oracle/${name}" PROPERTIES LABELS long)
  endif()
endforeach()

# Without the oracle the runs of a case are still compared with each other; not where CI is set.
set(random "${CMAKE_SOURCE_DIR}/tests/random")
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
foreach(pair pipelines:run streams:streams)
  string(REPLACE ":" ";" pair "${pair}")
  list(GET pair 0 name)
  list(GET pair 1 file)
  set(command "exec \"\${WEIR_ORACLE:-python3}\" '${random}/${file}.py' --weir '${program}'")
  add_test(NAME "random/${name}" COMMAND bash -c "${command}")
  set_tests_properties("random/${name}" PROPERTIES LABELS random)
  add_test(NAME "random/${name}_20000" COMMAND bash -c
    "${command} --cases 20000 --jobs ${cores}")
  set_tests_properties("random/${name}_20000" PROPERTIES LABELS long TIMEOUT 14400
    PROCESSORS ${cores})
endforeach()
# Beside models of their own, and beside one thread.
foreach(model asof budgets changelogs ends fill frames pieces ranks row_patterns spilled)
  add_test(NAME "random/${model}" COMMAND Python3::Interpreter
    "${CMAKE_SOURCE_DIR}/tests/random/${model}.py" --weir "${program}")
  set_tests_properties("random/${model}" PROPERTIES LABELS random)
endforeach()
if(WEIR_SANITIZE) # what such a program takes says nothing
  set_tests_properties(random/budgets PROPERTIES ENVIRONMENT "WEIR_SANITIZED=1")
endif()
add_test(NAME random/all_budgets COMMAND Python3::Interpreter
  "${CMAKE_SOURCE_DIR}/tests/random/budgets.py" --weir "${program}" --all)
set_tests_properties(random/all_budgets PROPERTIES LABELS long TIMEOUT 28800)
add_test(NAME random/finds_what_is_planted COMMAND Python3::Interpreter
  "${CMAKE_SOURCE_DIR}/tests/harness/planted_random.py" "${program}")
set_tests_properties(random/finds_what_is_planted PROPERTIES LABELS random)
add_test(NAME random/shrinks_what_is_planted COMMAND Python3::Interpreter
  "${CMAKE_SOURCE_DIR}/tests/harness/planted_shrink.py")
set_tests_properties(random/shrinks_what_is_planted PROPERTIES LABELS random)

# The simulated world of `weir sim`.
set(folder "${CMAKE_SOURCE_DIR}/tests/sim")
set(command Python3::Interpreter "${folder}/seeds.py" --weir "${program}")
add_test(NAME sim/seeds COMMAND ${command})
set_tests_properties(sim/seeds PROPERTIES LABELS random)
add_test(NAME sim/100000_seeds COMMAND ${command} --seeds 100000 --random 500)
set_tests_properties(sim/100000_seeds PROPERTIES LABELS long TIMEOUT 14400)

# Kills, failing calls, no memory, power cuts. The library goes between the program and its C
# library. Each has a test of a sample, and one of everything in `long`. Where the address sanitizer
# stands behind the library, allocations fail: what was allocated before must be given back.
set(folder "${CMAKE_SOURCE_DIR}/tests/faults")
if(NOT WEIR_FUZZ AND NOT WEIR_SANITIZE MATCHES "thread")
  add_library(iofault MODULE "${folder}/iofault.c")
  set_target_properties(iofault PROPERTIES PREFIX "" C_VISIBILITY_PRESET default
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/faults")
  target_compile_options(iofault PRIVATE -O2 -Wall -Wextra)
  add_library(wal MODULE "${folder}/wal.c") # power.py calls it
  set_target_properties(wal PROPERTIES PREFIX "" C_VISIBILITY_PRESET default
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/faults")
  target_compile_options(wal PRIVATE -O2 -Wall -Wextra)
endif()
if(WEIR_SANITIZE MATCHES "address" AND NOT WEIR_FUZZ)
  add_test(NAME faults/memory COMMAND Python3::Interpreter "${folder}/memory.py"
    --weir "${program}" --library $<TARGET_FILE:iofault>)
  set_tests_properties(faults/memory PROPERTIES LABELS faults)
elseif(NOT WEIR_SANITIZE AND NOT WEIR_FUZZ)
  foreach(pair kills:--all:--random:10000:--strace errors:--all memory:--every:11
      power:--states:1000000:--jobs:${cores})
    string(REPLACE ":" ";" words "${pair}")
    list(POP_FRONT words name)
    set(command Python3::Interpreter "${folder}/${name}.py" --weir "${program}"
      --library $<TARGET_FILE:iofault>)
    add_test(NAME "faults/${name}" COMMAND ${command})
    set_tests_properties("faults/${name}" PROPERTIES LABELS faults)
    add_test(NAME "faults/all_${name}" COMMAND ${command} ${words}
      --coverage "${CMAKE_BINARY_DIR}/tests/faults/${name}.coverage")
    set_tests_properties("faults/all_${name}" PROPERTIES LABELS long TIMEOUT 28800)
  endforeach()
  add_test(NAME faults/coverage_is_as_written COMMAND Python3::Interpreter "${folder}/coverage.py"
    --check --weir "${program}" --library $<TARGET_FILE:iofault>)
  set_tests_properties(faults/coverage_is_as_written PROPERTIES LABELS faults)
  set(command Python3::Interpreter "${folder}/planted.py" --weir "${program}"
    --library $<TARGET_FILE:iofault>)
  add_test(NAME faults/find_what_is_planted COMMAND ${command})
  set_tests_properties(faults/find_what_is_planted PROPERTIES LABELS faults)
  add_test(NAME faults/find_all_that_is_planted COMMAND ${command}
    --build "${CMAKE_BINARY_DIR}/tests/faults/planted")
  set_tests_properties(faults/find_all_that_is_planted PROPERTIES LABELS long TIMEOUT 14400)
endif()

set(folder "${CMAKE_SOURCE_DIR}/tests/program")
add_test(NAME program/installed
  COMMAND "${folder}/installed.sh" "${CMAKE_BINARY_DIR}" "${PROJECT_VERSION}")
set_tests_properties(program/installed PROPERTIES LABELS program)
add_test(NAME program/reference
  COMMAND Python3::Interpreter "${folder}/reference.py" --weir "${program}")
set_tests_properties(program/reference PROPERTIES LABELS program)
if(TARGET iofault)
  add_test(NAME program/promises
    COMMAND Python3::Interpreter "${folder}/promises.py" "${program}" $<TARGET_FILE:iofault>)
  set_tests_properties(program/promises PROPERTIES LABELS program)
  add_test(NAME program/audits
    COMMAND Python3::Interpreter "${folder}/audits.py" "${program}" $<TARGET_FILE:iofault>)
  add_test(NAME program/audited_files COMMAND Python3::Interpreter
    "${folder}/audited_files.py" "${program}" $<TARGET_FILE:iofault>)
  set_tests_properties(program/audits program/audited_files PROPERTIES LABELS program)
  add_library(crash MODULE "${folder}/crash.c")
  set_target_properties(crash PROPERTIES PREFIX "" C_VISIBILITY_PRESET default
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/program")
  target_compile_options(crash PRIVATE -O2 -Wall -Wextra)
  add_test(NAME program/poison
    COMMAND Python3::Interpreter "${folder}/poison.py" "${program}" $<TARGET_FILE:crash>)
  set_tests_properties(program/poison PROPERTIES LABELS program)
  add_test(NAME program/every_promise COMMAND Python3::Interpreter "${folder}/promises.py"
    "${program}" $<TARGET_FILE:iofault> --all)
  set_tests_properties(program/every_promise PROPERTIES LABELS long TIMEOUT 7200)
endif()
add_test(NAME program/outside
  COMMAND Python3::Interpreter "${folder}/outside.py" "${program}")
set_tests_properties(program/outside PROPERTIES LABELS program)
add_test(NAME program/evolve
  COMMAND Python3::Interpreter "${folder}/evolve.py" "${program}")
set_tests_properties(program/evolve PROPERTIES LABELS program)
add_test(NAME program/edits
  COMMAND Python3::Interpreter "${folder}/edits.py" "${program}")
set_tests_properties(program/edits PROPERTIES LABELS program)
add_test(NAME program/every_edit
  COMMAND Python3::Interpreter "${folder}/edits.py" "${program}" --all)
set_tests_properties(program/every_edit PROPERTIES LABELS long TIMEOUT 7200)
add_test(NAME program/state_tools
  COMMAND Python3::Interpreter "${folder}/state_tools.py" "${program}")
set_tests_properties(program/state_tools PROPERTIES LABELS program)
add_test(NAME program/instate
  COMMAND Python3::Interpreter "${folder}/instate.py" "${program}")
set_tests_properties(program/instate PROPERTIES LABELS program)
add_test(NAME program/until
  COMMAND Python3::Interpreter "${folder}/until.py" "${program}")
set_tests_properties(program/until PROPERTIES LABELS program)
add_test(NAME program/savepoint
  COMMAND Python3::Interpreter "${folder}/savepoint.py" "${program}")
set_tests_properties(program/savepoint PROPERTIES LABELS program)
add_test(NAME program/live
  COMMAND Python3::Interpreter "${folder}/live.py" "${program}")
set_tests_properties(program/live PROPERTIES LABELS program)
add_test(NAME program/follow
  COMMAND Python3::Interpreter "${folder}/follow.py" "${program}")
set_tests_properties(program/follow PROPERTIES LABELS program)
add_test(NAME program/sinks
  COMMAND Python3::Interpreter "${folder}/sinks.py" "${program}")
set_tests_properties(program/sinks PROPERTIES LABELS program)
add_test(NAME program/gaps
  COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tests/program/gaps.py" "${program}")
set_tests_properties(program/gaps PROPERTIES LABELS program)
add_test(NAME program/gone
  COMMAND Python3::Interpreter "${folder}/gone.py" "${program}")
set_tests_properties(program/gone PROPERTIES LABELS program)
add_test(NAME program/partitions
  COMMAND Python3::Interpreter "${folder}/partitions.py" "${program}")
set_tests_properties(program/partitions PROPERTIES LABELS program)
add_test(NAME program/fences
  COMMAND Python3::Interpreter "${folder}/fences.py" "${program}")
set_tests_properties(program/fences PROPERTIES LABELS program)
add_test(NAME program/pipes
  COMMAND Python3::Interpreter "${folder}/pipes.py" "${program}")
set_tests_properties(program/pipes PROPERTIES LABELS program)
add_test(NAME program/moments
  COMMAND Python3::Interpreter "${folder}/moments.py" "${program}")
set_tests_properties(program/moments PROPERTIES LABELS program)
add_test(NAME program/breaker
  COMMAND Python3::Interpreter "${folder}/breaker.py" "${program}")
set_tests_properties(program/breaker PROPERTIES LABELS program)
if(NOT WEIR_SANITIZE AND WEIR_STATIC_LIBS)
  add_test(NAME program/hardened
    COMMAND Python3::Interpreter "${folder}/hardening.py" "${program}")
  set_tests_properties(program/hardened PROPERTIES LABELS program)
endif()

# Beside a PostgreSQL server that each test starts for itself.
set(folder "${CMAKE_SOURCE_DIR}/tests/postgres")
foreach(name breaker deferred faults others sink source twin undo undo_rows)
  add_test(NAME "postgres/${name}"
    COMMAND Python3::Interpreter "${folder}/${name}.py" "${program}")
  set_tests_properties("postgres/${name}" PROPERTIES LABELS program SKIP_RETURN_CODE 77)
endforeach()
if(TARGET iofault)
  add_test(NAME postgres/promises
    COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tests/program/promises.py" "${program}"
    $<TARGET_FILE:iofault> --postgres)
  add_test(NAME postgres/audits
    COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tests/program/audits.py" "${program}"
    $<TARGET_FILE:iofault> --postgres)
  set_tests_properties(postgres/promises postgres/audits
    PROPERTIES LABELS program SKIP_RETURN_CODE 77)
endif()
add_test(NAME postgres/every_fault
  COMMAND Python3::Interpreter "${folder}/faults.py" "${program}" --all)
set_tests_properties(postgres/every_fault PROPERTIES LABELS long TIMEOUT 7200)

# Measurements: linked like the program, built when asked for. What weir is measured against are two
# programs: tests/bench/hand, which has nothing of ours in it, and tests/bench/nexmark, whose events
# come from our generator. `probed` is weir that tells how long parts of it take.
add_custom_target(bench)
add_dependencies(bench program)
file(GLOB bench_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/bench/*.c")
file(GLOB hand_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/bench/hand/*.c")
file(GLOB nexmark_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/bench/nexmark/*.c")
foreach(source IN LISTS bench_sources)
  get_filename_component(name "${source}" NAME_WE)
  string(REGEX REPLACE "^bench_" "" name "${name}")
  add_executable(bench_${name} EXCLUDE_FROM_ALL "${source}")
  weir_link(bench_${name} ${above_all} LTO)
endforeach()
add_executable(bench_hand EXCLUDE_FROM_ALL ${hand_sources})
weir_link(bench_hand 0 LTO)
add_executable(bench_nexmark EXCLUDE_FROM_ALL ${nexmark_sources})
weir_link(bench_nexmark ${above_all} LTO)
target_link_libraries(bench_bids PRIVATE m)
# The program itself, with calls between its rooms wrapped: see tests/bench/probe/probe.h. Linked
# from machine code, since the compiler's own form may have the calls inlined.
file(GLOB probe_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/bench/probe/*.c")
add_executable(bench_probed EXCLUDE_FROM_ALL ${probe_sources}
  "${CMAKE_SOURCE_DIR}/runtime/cli/main.c")
weir_link(bench_probed ${above_all} NO_LTO)
foreach(call wr_run_new wr_run_step wr_run_free run_checkpoint run_checkpoint_begin held_add
    held_flush)
  target_link_options(bench_probed PRIVATE "-Wl,--wrap=${call}")
endforeach()
foreach(source IN LISTS bench_sources ITEMS hand nexmark probed)
  get_filename_component(name "${source}" NAME_WE)
  string(REGEX REPLACE "^bench_" "" name "${name}")
  set_target_properties(bench_${name} PROPERTIES
    OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/bench")
  add_dependencies(bench bench_${name})
endforeach()
if(WEIR_LTO AND EXISTS "${CMAKE_SOURCE_DIR}/tests/bench/instructions.txt")
  set_target_properties(bench_bids PROPERTIES EXCLUDE_FROM_ALL OFF)
  add_test(NAME program/instructions COMMAND Python3::Interpreter
    "${CMAKE_SOURCE_DIR}/tests/bench/instructions.py" "${CMAKE_BINARY_DIR}")
  set_tests_properties(program/instructions PROPERTIES LABELS program SKIP_RETURN_CODE 77)
endif()

# Checks of the tree. They do not depend on how the program was built: `./dev asan` leaves them out.
function(weir_tree_test name)
  add_test(NAME "tree/${name}" COMMAND ${ARGN} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties("tree/${name}" PROPERTIES LABELS tree TIMEOUT 600)
endfunction()
set(tidy "${CMAKE_SOURCE_DIR}/tests/tidy")
weir_tree_test(tidy Python3::Interpreter "${tidy}/tidy.py" "${CMAKE_SOURCE_DIR}")
weir_tree_test(tidy_finds_what_is_planted Python3::Interpreter "${tidy}/test_tidy.py")
weir_tree_test(runners_find_what_is_planted ${CMAKE_COMMAND} -E env "WEIR_PROGRAM=${program}"
  $<TARGET_FILE:Python3::Interpreter> "${CMAKE_SOURCE_DIR}/tests/harness/planted_pipelines.py")
weir_tree_test(hardening_finds_what_is_planted Python3::Interpreter
  "${CMAKE_SOURCE_DIR}/tests/harness/planted_program.py")
weir_tree_test(counts_find_what_is_planted Python3::Interpreter
  "${CMAKE_SOURCE_DIR}/tests/harness/planted_counts.py")
weir_tree_test(format "${tidy}/lint.sh" format)
weir_tree_test(luacheck "${tidy}/lint.sh" lua)
