# The libraries that weir stands on, each an interface target `weir_lib_<name>`. With
# WEIR_STATIC_LIBS the archive is taken where Debian has one, so that the program starts without
# a dynamic linker walking through a dozen libraries.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# weir_library(NAME PACKAGE ARCHIVE [SYSTEM...]): SYSTEM are the parts of libc that the archive
# itself needs.
function(weir_library name package archive)
  pkg_check_modules(${name} REQUIRED ${package})
  add_library(weir_lib_${name} INTERFACE)
  target_include_directories(weir_lib_${name} SYSTEM INTERFACE ${${name}_INCLUDE_DIRS})
  set(found NOTFOUND)
  if(WEIR_STATIC_LIBS)
    pkg_get_variable(${name}_libdir ${package} libdir)
    find_file(${name}_ARCHIVE ${archive}
      HINTS ${${name}_libdir} PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE})
    set(found "${${name}_ARCHIVE}")
  endif()
  if(found)
    target_link_libraries(weir_lib_${name} INTERFACE "${found}" ${ARGN})
  else()
    target_link_directories(weir_lib_${name} INTERFACE ${${name}_LIBRARY_DIRS})
    target_link_libraries(weir_lib_${name} INTERFACE ${${name}_LIBRARIES} ${ARGN})
  endif()
endfunction()

weir_library(lpeg lua5.4-lpeg liblua5.4-lpeg.a)
weir_library(lua lua5.4 liblua5.4.a m dl)
weir_library(zlib zlib libz.a)
weir_library(sqlite sqlite3 libsqlite3.a weir_lib_zlib m dl Threads::Threads)
weir_library(zstd libzstd libzstd.a Threads::Threads)
weir_library(pcre libpcre2-8 libpcre2-8.a)
weir_library(xxhash libxxhash libxxhash.a)
weir_library(crypto libcrypto libcrypto.a dl Threads::Threads)

# Only its header: the first endpoint that needs the library loads it (conn/postgres_library.h).
pkg_check_modules(pq REQUIRED libpq>=14)
add_library(weir_lib_pq INTERFACE)
target_include_directories(weir_lib_pq SYSTEM INTERFACE ${pq_INCLUDE_DIRS})
target_link_libraries(weir_lib_pq INTERFACE dl)

# Linked by the program alone; see exported.list.
add_library(weir_lib_lua_exported INTERFACE)
if(lua_ARCHIVE)
  target_link_options(weir_lib_lua_exported INTERFACE
    "-Wl,--whole-archive,${lua_ARCHIVE},--no-whole-archive"
    "-Wl,--dynamic-list=${CMAKE_SOURCE_DIR}/cmake/exported.list")
endif()

# What every room may use. An archive from which nothing is called adds nothing to the program.
add_library(weir_lib_all INTERFACE)
target_link_libraries(weir_lib_all INTERFACE
  weir_lib_xxhash weir_lib_zstd weir_lib_pcre weir_lib_sqlite weir_lib_zlib
  weir_lib_crypto weir_lib_pq Threads::Threads m)

# Found, and linked only when a connector in runtime/conn/kafka*.c asks for it.
file(GLOB kafka_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/runtime/conn/kafka*.c")
if(kafka_sources)
  pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
  target_link_libraries(weir_lib_all INTERFACE PkgConfig::rdkafka)
else()
  pkg_check_modules(rdkafka QUIET rdkafka)
endif()
