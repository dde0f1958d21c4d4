# Compiler and linker flags: weir_flags for every target, weir_lto for code that goes into the
# program. Release has debug info at level 1, so that a backtrace or a profile names its lines.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# -O3: at -O2 this compiler vectorises only loops whose count is a known multiple.
foreach(lang C CXX)
  set(CMAKE_${lang}_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
  set(CMAKE_${lang}_FLAGS_DEBUG "-Og -g")
endforeach()

add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE "${CMAKE_SOURCE_DIR}/runtime")
target_compile_definitions(weir_flags INTERFACE
  _GNU_SOURCE WEIR_VERSION="${PROJECT_VERSION}" $<$<CONFIG:Debug>:WR_DEBUG=1>)
target_compile_options(weir_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wundef -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>
  -fPIE -fno-strict-aliasing -fno-math-errno -ffp-contract=off
  -fstack-protector-strong -fstack-clash-protection
  -ffunction-sections -fdata-sections
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_options(weir_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(weir_flags INTERFACE -march=x86-64-v2 -fcf-protection)
endif()
target_link_options(weir_flags INTERFACE
  -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed)

if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Only here: clang finds other conversions, and the libFuzzer build is not where they are fixed.
  target_compile_options(weir_flags INTERFACE -Werror -ftrivial-auto-var-init=zero)
  # These guess from what the optimiser made of the code. At -O3 they are wrong too often, on loops
  # that run at least once and on lengths that were just compared; the other builds keep them.
  foreach(warning maybe-uninitialized stringop-overflow stringop-overread array-bounds)
    target_compile_options(weir_flags INTERFACE $<$<CONFIG:Release>:-Wno-${warning}>)
  endforeach()
  set(CMAKE_AR "${CMAKE_C_COMPILER_AR}")
  set(CMAKE_RANLIB "${CMAKE_C_COMPILER_RANLIB}")
endif()

if(WEIR_SANITIZE)
  target_compile_options(weir_flags INTERFACE
    -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
  string(REPLACE "," ";" sanitizers "${WEIR_SANITIZE}")
  foreach(sanitizer IN LISTS sanitizers)
    string(TOUPPER "${sanitizer}" sanitizer)
    target_compile_definitions(weir_flags INTERFACE WEIR_SANITIZE_${sanitizer}=1)
  endforeach()
else()
  target_compile_definitions(weir_flags INTERFACE
    $<$<NOT:$<COMPILE_LANGUAGE:ASM>>:_FORTIFY_SOURCE=3>)
endif()
if(WEIR_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "WEIR_FUZZ needs clang: use the preset `fuzz`")
  endif()
  target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Rooms are compiled to machine code and to the compiler's own form at once: the program is linked
# from the second, across rooms, and the many test programs from the first, which takes no time.
add_library(weir_lto_compile INTERFACE)
add_library(weir_lto_link INTERFACE)
add_library(weir_no_lto_link INTERFACE)
if(WEIR_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(weir_lto_compile INTERFACE
    $<$<NOT:$<COMPILE_LANGUAGE:ASM>>:-flto -ffat-lto-objects>)
  target_link_options(weir_lto_link INTERFACE -flto=auto)
  target_link_options(weir_no_lto_link INTERFACE -fno-lto)
endif()
