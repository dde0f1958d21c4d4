# What ctest runs. `./dev test` builds everything here and runs it.
#   tests/unit/<room>/test_*.c   one cmocka program each, with every room up to its floor
#   tests/fuzz/fuzz_*.c          replays tests/fuzz/corpus/<name>/*; a libFuzzer program with WEIR_FUZZ
#   tests/bench/*.c              one program each, built by the target `bench`, never run as a test
find_library(cmocka_LIBRARY cmocka)

# The registry and main are not measured or fuzzed, so they are compiled once and plainly.
if(cmocka_LIBRARY)
  add_library(weir_test STATIC "${CMAKE_SOURCE_DIR}/tests/unit/test.c")
  target_include_directories(weir_test PUBLIC "${CMAKE_SOURCE_DIR}/tests/unit")
  target_link_libraries(weir_test PUBLIC weir_flags "${cmocka_LIBRARY}")
  weir_rooms_below(base_rooms 1)
  target_link_libraries(weir_test PUBLIC ${base_rooms})
else()
  message(WARNING "cmocka is missing (libcmocka-dev): the C tests are not built")
endif()

foreach(room IN LISTS WEIR_ROOMS)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/${room}/test_*.c")
  file(GLOB helpers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/${room}/support_*.c")
  math(EXPR above "${WEIR_FLOOR_${room}} + 1")
  if(NOT cmocka_LIBRARY)
    continue()
  endif()
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
    set_tests_properties("unit/${room}/${short}" PROPERTIES LABELS unit TIMEOUT 900)
  endforeach()
endforeach()
