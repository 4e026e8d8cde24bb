# Every third-party library, as one imported or interface target `dep::NAME`. `./dev setup` installs them all.
set(ICECORE_DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "Folder that ./dev setup fills")
set(ICECORE_PYTHON ${ICECORE_DEPS_DIR}/venv/bin/python CACHE FILEPATH "Python that has the pinned pyarrow wheel")
set(ICECORE_PYARROW_VERSION 26.0.1)

# --- Arrow C++ from the pyarrow wheel ---------------------------------------------------------
execute_process(
  COMMAND ${ICECORE_PYTHON} -c "import pyarrow, os; print(pyarrow.__version__); print(os.path.dirname(pyarrow.__file__))"
  OUTPUT_VARIABLE ICECORE_PYARROW OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
  RESULT_VARIABLE ICECORE_PYARROW_FAILED)
if(ICECORE_PYARROW_FAILED)
  message(FATAL_ERROR "pyarrow ${ICECORE_PYARROW_VERSION} not found by ${ICECORE_PYTHON}: run ./dev setup")
endif()
string(REPLACE "\n" ";" ICECORE_PYARROW "${ICECORE_PYARROW}")
list(GET ICECORE_PYARROW 0 ICECORE_PYARROW_FOUND)
list(GET ICECORE_PYARROW 1 ICECORE_ARROW_DIR)
if(NOT ICECORE_PYARROW_FOUND VERSION_EQUAL ICECORE_PYARROW_VERSION)
  message(FATAL_ERROR "pyarrow ${ICECORE_PYARROW_FOUND} found, ${ICECORE_PYARROW_VERSION} needed: run ./dev setup")
endif()

# name: the library's stem; the wheel ships versioned files only, so they are linked by path.
function(icecore_arrow_library name)
  add_library(dep::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(dep::${name} PROPERTIES IMPORTED_LOCATION ${ICECORE_ARROW_DIR}/lib${name}.so.2600)
  target_include_directories(dep::${name} SYSTEM INTERFACE ${ICECORE_ARROW_DIR}/include)
endfunction()
foreach(name arrow arrow_compute arrow_flight parquet)
  icecore_arrow_library(${name})
endforeach()
target_link_libraries(dep::arrow_compute INTERFACE dep::arrow)
target_link_libraries(dep::arrow_flight INTERFACE dep::arrow)
target_link_libraries(dep::parquet INTERFACE dep::arrow)

# --- DuckDB (C API) ---------------------------------------------------------------------------
add_library(dep::duckdb SHARED IMPORTED GLOBAL)
set_target_properties(dep::duckdb PROPERTIES IMPORTED_LOCATION ${ICECORE_DEPS_DIR}/duckdb/libduckdb.so)
target_include_directories(dep::duckdb SYSTEM INTERFACE ${ICECORE_DEPS_DIR}/duckdb)
if(NOT EXISTS ${ICECORE_DEPS_DIR}/duckdb/libduckdb.so)
  message(FATAL_ERROR "libduckdb not found in ${ICECORE_DEPS_DIR}/duckdb: run ./dev setup")
endif()

# --- Debian -----------------------------------------------------------------------------------
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(EXPAT REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(GTest REQUIRED)

function(icecore_plain_library name link)
  add_library(dep_${name} INTERFACE)
  add_library(dep::${name} ALIAS dep_${name})
  target_link_libraries(dep_${name} INTERFACE ${link})
endfunction()
# The system's OpenSSL must come before Arrow's libraries, which export parts of their own (see docs/decisions). Options stand
# before all libraries, so that no module's place in the link can change it.
add_link_options(${OPENSSL_SSL_LIBRARY} ${OPENSSL_CRYPTO_LIBRARY})
icecore_plain_library(crypto "OpenSSL::Crypto")
icecore_plain_library(tls "OpenSSL::SSL;OpenSSL::Crypto")
icecore_plain_library(curl "OpenSSL::SSL;CURL::libcurl")
icecore_plain_library(expat "EXPAT::EXPAT")
icecore_plain_library(zip "zip")
icecore_plain_library(zlib "ZLIB::ZLIB")
icecore_plain_library(sqlite "SQLite::SQLite3")
icecore_plain_library(yaml "yaml-cpp")
icecore_plain_library(cli11 "CLI11::CLI11")
icecore_plain_library(spdlog "spdlog::spdlog")
icecore_plain_library(json "nlohmann_json::nlohmann_json")
icecore_plain_library(lmdb "lmdb")
icecore_plain_library(hiredis "hiredis")
icecore_plain_library(xxhash "xxhash")
icecore_plain_library(prometheus "prometheus-cpp::core")
icecore_plain_library(boost "Threads::Threads")
