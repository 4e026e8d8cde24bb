# icecore_module(NAME LEVEL n DEPS other modules… LIBS dep::… [dep::…])
# Globs src/icecore/NAME: *.cc -> static library icecore_NAME; *_test.cc -> one test binary; *_fuzz.cc -> one fuzz target each,
# whose corpus (fuzz_corpus/NAME beside NAME_fuzz.cc) the test binary replays;
# *_module.cc -> nothing here: a library of its own that is loaded when it is needed (src/icecore/CMakeLists.txt);
# *_bench.cc -> one program icecore_NAME_bench, built when asked for (bench/README.md).
add_library(icecore_options INTERFACE)
target_include_directories(icecore_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(icecore_options INTERFACE -Wall -Wextra -Wshadow -Wconversion $<$<BOOL:${ICECORE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)  # std::stable_sort of libstdc++ 12 uses what its headers call deprecated
  target_compile_options(icecore_options INTERFACE -Wno-deprecated-declarations)
endif()
if(ICECORE_SANITIZE)
  target_compile_options(icecore_options INTERFACE -fsanitize=${ICECORE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(icecore_options INTERFACE -fsanitize=${ICECORE_SANITIZE})
  if(ICECORE_SANITIZE MATCHES address)
    # At a fixed address: what UBSan knows of its places has 1.3 million pointers, which each start would move.
    target_link_options(icecore_options INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  endif()
endif()
find_program(ICECORE_MOLD mold)
if(ICECORE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(ICECORE_CCACHE ccache)
if(ICECORE_CCACHE)
  # Relative paths and content decide, not dates: a clone elsewhere finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${ICECORE_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(icecore_options INTERFACE -fpch-preprocess)
  endif()
endif()

# Every fuzz target and no more.
if(ICECORE_FUZZ)
  add_custom_target(icecore_fuzz)
endif()

# What tests do themselves is not worth optimising; what they test is.
function(icecore_quick_code target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)
endfunction()

# Two precompiled headers, of the standard library and Arrow: one for the modules, one with GoogleTest for the tests. Reading Arrow
# is a third of what a sanitized source costs. The tidy preset does without, so that each file includes what it uses.
set(ICECORE_COMMON_HEADERS <algorithm> <charconv> <chrono> <cmath> <cstdint> <filesystem> <functional> <limits> <map> <memory>
  <mutex> <optional> <set> <string> <string_view> <unordered_map> <utility> <variant> <vector>
  <arrow/array.h> <arrow/buffer.h> <arrow/builder.h> <arrow/record_batch.h> <arrow/result.h> <arrow/scalar.h> <arrow/table.h>
  <arrow/type.h>)
# icecore_precompiled(NAME PIC LIBS libraries… HEADERS more headers…): a target whose header others of the same flags reuse.
function(icecore_precompiled name pic)
  cmake_parse_arguments(P "" "" "LIBS;HEADERS" ${ARGN})
  file(WRITE ${CMAKE_BINARY_DIR}/generated/${name}.cc "// Carries a precompiled header.\n")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/generated/${name}.cc)
  target_link_libraries(${name} PUBLIC icecore_options dep::spdlog dep::arrow ${P_LIBS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ${pic})
  target_precompile_headers(${name} PRIVATE ${ICECORE_COMMON_HEADERS} ${P_HEADERS})
endfunction()
icecore_precompiled(icecore_pch ON)
if(CMAKE_BUILD_TYPE STREQUAL Debug AND ICECORE_SANITIZE)  # for modules whose tests compute the most (FAST)
  icecore_precompiled(icecore_fast_pch ON)
  target_compile_options(icecore_fast_pch PRIVATE -O1)
endif()
if(ICECORE_TESTS)
  # A header fits only what is compiled alike: neither -fPIC nor -fPIE, here and in the tests.
  icecore_precompiled(icecore_gtest_pch OFF LIBS GTest::gtest GTest::gmock HEADERS <gtest/gtest.h> <gmock/gmock.h>)
  icecore_quick_code(icecore_gtest_pch)
endif()

# Several sources of a target as one: what they include is read and instantiated once, which halves a cold build. Their unnamed
# namespaces then are one, so names in them are one module's. The dev and tidy presets compile each source alone.
function(icecore_unite target)
  if(ICECORE_UNITY)
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)  # it takes the united file for a header
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# The fuzz targets in the test binary of module `name`: each under its own name, called on every file of its corpus.
function(icecore_replay_corpora name fuzzers)
  set(text "#include \"icecore/base/fuzz_replay_testing.h\"\n")
  foreach(fuzzer ${fuzzers})
    get_filename_component(target ${fuzzer} NAME_WE)
    get_filename_component(folder ${fuzzer} DIRECTORY)
    file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${folder})
    string(REGEX REPLACE "_fuzz$" "" corpus ${target})
    set_source_files_properties(${fuzzer} PROPERTIES
      COMPILE_DEFINITIONS LLVMFuzzerTestOneInput=${target} SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
    string(APPEND text "\nextern \"C\" int ${target}(const uint8_t* data, size_t size);\n"
      "TEST(FuzzCorpusTest, ${target}) {\n"
      "  icecore::base::ReplayCorpus(\"${folder}/fuzz_corpus/${corpus}\", ${target});\n}\n")
  endforeach()
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/${name}_fuzz_corpus_test.cc CONTENT "${text}")
  target_sources(icecore_${name}_test PRIVATE ${fuzzers} ${CMAKE_BINARY_DIR}/generated/${name}_fuzz_corpus_test.cc)
endfunction()

function(icecore_module name)
  cmake_parse_arguments(M "FAST" "" "DEPS;LIBS" ${ARGN})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench|main|module)\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  if(NOT sources)
    set(sources ${CMAKE_BINARY_DIR}/empty_${name}.cc)
    file(WRITE ${CMAKE_BINARY_DIR}/empty_${name}.cc "// ${name} has no sources yet.\n")
  endif()
  add_library(icecore_${name} STATIC ${sources})
  list(TRANSFORM M_DEPS PREPEND icecore_)
  target_link_libraries(icecore_${name} PUBLIC icecore_options ${M_DEPS} ${M_LIBS})
  if(M_FAST AND TARGET icecore_fast_pch)
    target_compile_options(icecore_${name} PRIVATE -O1)
    target_precompile_headers(icecore_${name} REUSE_FROM icecore_fast_pch)
  else()
    target_precompile_headers(icecore_${name} REUSE_FROM icecore_pch)
  endif()
  icecore_unite(icecore_${name})
  if(tests AND ICECORE_TESTS)
    add_executable(icecore_${name}_test ${tests})
    target_link_libraries(icecore_${name}_test PRIVATE icecore_${name} GTest::gtest_main GTest::gmock)
    set_target_properties(icecore_${name}_test PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_precompile_headers(icecore_${name}_test REUSE_FROM icecore_gtest_pch)
    icecore_quick_code(icecore_${name}_test)
    icecore_unite(icecore_${name}_test)
    add_test(NAME ${name} COMMAND icecore_${name}_test)
    if(fuzzers AND NOT ICECORE_FUZZ)
      icecore_replay_corpora(${name} "${fuzzers}")
    endif()
  endif()
  set(benches ${all})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  if(benches)
    add_executable(icecore_${name}_bench EXCLUDE_FROM_ALL ${benches})
    target_link_libraries(icecore_${name}_bench PRIVATE icecore_${name})
  endif()
  if(ICECORE_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(${stem} ${fuzzer})
      add_dependencies(icecore_fuzz ${stem})
      target_link_libraries(${stem} PRIVATE icecore_${name})
      target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
