# One target a folder of src/ (a layer), all compiled alike.
#
#   push_cache_layer(NAME SOURCES a.cc ... [DEPS push_cache_x lib ...] [TESTS a_test.cc ...] [TEST_DEPS lib ...])
#
# makes the static library push_cache_NAME and, from TESTS, the program NAME_test with each of its
# test cases known to ctest. Which layer may include which is checked by tests/check_layers.py.

add_library(push_cache_flags INTERFACE)
target_compile_options(push_cache_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wold-style-cast -Woverloaded-virtual -Wno-missing-field-initializers
                       -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlaps and overreads in std::string that are not there (its bugs 105329 and 105651).
  target_compile_options(push_cache_flags INTERFACE -Wno-restrict -Wno-stringop-overread)
endif()
if(PUSH_CACHE_WERROR)
  target_compile_options(push_cache_flags INTERFACE -Werror)
endif()
target_include_directories(push_cache_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)

if(PUSH_CACHE_SANITIZE)
  add_compile_options(-fsanitize=${PUSH_CACHE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PUSH_CACHE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND PUSH_CACHE_SANITIZE MATCHES "thread")
    # Asio puts fences around its handlers that TSan cannot see; the locks beside them it can.
    add_compile_options(-Wno-tsan)
  endif()
endif()
if(PUSH_CACHE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_custom_target(fuzzers)  # what scripts/fuzz builds and runs
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers need both sloppiness words; without them every such compile misses the cache.
  # The rest lets another copy of the tree, or another build folder, take what this one has compiled.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

set(PUSH_CACHE_PCH <algorithm> <array> <atomic> <bit> <charconv> <chrono> <cstddef> <cstdint> <cstring>
    <functional> <limits> <map> <memory> <mutex> <optional> <span> <string> <string_view> <thread>
    <tuple> <type_traits> <unordered_map> <utility> <variant> <vector>)

function(push_cache_layer NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;TESTS;TEST_DEPS" ${ARGN})
  set(target push_cache_${NAME})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_link_libraries(${target} PUBLIC push_cache_flags ${ARG_DEPS})
  target_precompile_headers(${target} PRIVATE ${PUSH_CACHE_PCH})
  if(PUSH_CACHE_TESTS AND ARG_TESTS)
    push_cache_test(${NAME}_test SOURCES ${ARG_TESTS} DEPS ${target} ${ARG_TEST_DEPS})
  endif()
endfunction()

function(push_cache_test NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} push_cache_flags GTest::gmock GTest::gtest_main)
  target_precompile_headers(${NAME} PRIVATE ${PUSH_CACHE_PCH} <gtest/gtest.h> <gmock/gmock.h>)
  target_compile_definitions(${NAME} PRIVATE PUSH_CACHE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(${NAME} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

# A fuzz body (a source with LLVMFuzzerTestOneInput): NAME_fuzz with PUSH_CACHE_FUZZ, else NAME_replay, which
# ctest runs over tests/corpus/NAME and some random changes of what is there.
function(push_cache_fuzz NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(PUSH_CACHE_FUZZ)
    add_executable(${NAME}_fuzz ${ARG_SOURCES})
    target_link_libraries(${NAME}_fuzz PRIVATE ${ARG_DEPS} push_cache_flags -fsanitize=fuzzer)
    add_dependencies(fuzzers ${NAME}_fuzz)
  elseif(PUSH_CACHE_TESTS)
    add_executable(${NAME}_replay ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.cc)
    target_link_libraries(${NAME}_replay PRIVATE ${ARG_DEPS} push_cache_flags)
    add_test(NAME ${NAME}_replay
             COMMAND ${NAME}_replay ${CMAKE_SOURCE_DIR}/tests/corpus/${NAME} 20000)
    set_tests_properties(${NAME}_replay PROPERTIES TIMEOUT 300)
  endif()
endfunction()
