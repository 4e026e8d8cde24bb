# The parts of ./dev test, sourced by ./dev. A part is a function part_NAME; its last line of output of the form
# `N passed, N failed[, N skipped]` is its result. A part that ends with an error and counts no failure has one.
test_preset=${ICECORE_TEST_PRESET:-asan}  # assertions, ASan and UBSan
long=${ICECORE_LONG:-}                       # set by ./dev test --long
icecore=$root/build/$test_preset/bin/icecore
export ASAN_SYMBOLIZER_PATH=/usr/lib/llvm-19/bin/llvm-symbolizer
# Parts that start the program thousands of times try the build that is used; --long tries them sanitized.
shipped() { if [ -n "$long${ICECORE_TEST_PRESET:-}" ]; then echo "$icecore"; else echo "$root/build/release/bin/icecore"; fi; }
test_parts=(build unit layers format tidy spec oracle conformance fault integration facts)
long_parts=(fuzz peers soak)  # by name, and with --long

# runner FILE ARGUMENTS...: a Python runner of tests/; one that does not exist (yet) is skipped, loudly and counted.
# What a shell starts in the background ignores SIGINT, which the tests of signals must not.
runner() {
  local file=$1
  shift
  if [ -e "$file" ]; then env --default-signal=INT "$python" "$file" "$@"; else
    echo "$file does not exist"
    echo "0 passed, 0 failed, 1 skipped"
  fi
}

# Where the sanitized program starts thousands of times: no search for leaks at each end, which the unit tests make, and
# short stacks of allocations. A quarter of the processor time less; what is read or written wrongly is found as before.
thrifty() { [ -n "$long" ] || export ASAN_OPTIONS=detect_leaks=0:malloc_context_size=2; }

# Warnings of the preset are errors; what users compile with another compiler must not have any either.
part_build() {
  local said
  build "$test_preset" && echo "1 passed, 0 failed" || return
  said=$(build release icecore icecore_shared 2>&1) || { echo "$said"; return 1; }
  echo "$said"
  if [[ $said == *warning:* ]]; then echo "0 passed, 1 failed"; else echo "1 passed, 0 failed"; fi
}
part_unit() { "$python" scripts/run_unit_tests.py "build/$test_preset"; }
part_layers() { "$python" scripts/check_layers.py; }

part_format() {
  local all failed
  all=$(cpp_files | wc -l)
  cpp_files | xargs -r -n 32 -P "$(nproc)" clang-format-19 --dry-run -Werror 2>&1 | tee /dev/stderr |
    sed -nE 's/^([^:]+):[0-9]+:[0-9]+: error: .*/\1/p' | sort -u >build/test/format.failed
  failed=$(wc -l <build/test/format.failed)
  echo "$((all - failed)) passed, $failed failed"
}

part_tidy() { tidy; }

part_fuzz() { fuzz 60; }

part_spec() { thrifty; runner tests/spec/run.py --icecore "$icecore"; }
part_oracle() {
  local status=0
  runner tests/oracle/run.py --icecore "$icecore" ${long:+--cases 1000000} || status=1
  runner tests/oracle/serve.py --icecore "$(shipped)" ${long:+--projects 40 --seconds 15} || status=1
  return $status
}
part_fault() { runner tests/fault/run.py --icecore "$(shipped)" ${long:+--long}; }
part_facts() { runner tests/facts/run.py --prototype --icecore "$(shipped)"; }

part_conformance() {
  local mode status=0
  runner tests/conformance/make_cases.py --check || status=1
  # Side by side: each starts one short process after the other.
  for mode in plain increments online; do
    {
      echo "mode $mode"
      runner tests/conformance/run.py --icecore "$(shipped)" --mode "$mode" ${long:+--label-times 40} && echo "mode $mode holds"
    } >"build/test/conformance.$mode" 2>&1 &
  done
  wait
  for mode in plain increments online; do
    cat "build/test/conformance.$mode"
    [[ $(tail -n 1 "build/test/conformance.$mode") == "mode $mode holds" ]] || status=1
  done
  return $status
}

# The conformance cases put to others; what they answer is their result, so only what could not be put has failed.
part_peers() {
  local store python_of=$deps/feast/venv/bin/python packages status=0
  setup_feast
  packages=$(echo "$deps"/bench/venv/lib/python3.*/site-packages)
  for store in naive_reference feast_store duckdb_asof polars_asof; do
    echo "$store"
    if PYTHONPATH=$([ $store = feast_store ] || echo "$packages") "$python" tests/conformance/peers.py \
      --adapter "$python_of tests/conformance/adapters/$store.py"; then echo "1 passed, 0 failed"; else
      echo "0 passed, 1 failed" && status=1
    fi
  done
  return $status
}

# Of the build that is used: a sanitizer keeps memory that was freed.
part_soak() {
  build release icecore icecore_server_bench || return
  runner tests/integration/soak/run.py --icecore "$root/build/release/bin/icecore" --seconds 1200
}

# Tables that others wrote are bytes from outside: read sanitized, whole at least.
integration_of() {
  local file=$1
  case $file in
    */golden/*) thrifty; runner "$file" --icecore "$icecore" --asked "$(shipped)" ;;
    */foreign/*) thrifty; runner "$file" --icecore "$icecore" ;;
    */python/*) runner "$file" --icecore "$root/build/release/bin/icecore" ;;
    */soak/*) build release icecore_server_bench && runner "$file" --icecore "$root/build/release/bin/icecore" ;;
    */spark/*) runner "$file" --icecore "$(shipped)" --deps "$deps" ${long:+--live} ;;
    *) runner "$file" --icecore "$(shipped)" ;;
  esac
}

# One more at a time than there are processors, the longest first: they often wait for servers and disks.
part_integration() {
  local file name folder=$root/build/test/integration status=0
  local files=(tests/integration/{stores,spark,foreign}/run.py)
  for file in tests/integration/*/run.py; do
    [[ " ${files[*]} " == *" $file "* ]] || files+=("$file")
  done
  export ICECORE_TESTS_OF=$root/build/$test_preset/bin  # unit test binaries that some of them drive
  setup_spark
  setup_bench
  rm -rf "$folder"
  mkdir -p "$folder"
  for file in "${files[@]}"; do
    name=$(basename "${file%/run.py}")
    while [ "$(jobs -rp | wc -l)" -gt "$(nproc)" ]; do wait -n || true; done
    (
      SECONDS=0
      if integration_of "$file"; then touch "$folder/$name.ok"; fi
      echo "$file: $SECONDS s"
    ) >"$folder/$name.log" 2>&1 &
  done
  wait
  for file in "${files[@]}"; do
    name=$(basename "${file%/run.py}")
    cat "$folder/$name.log"
    [ -e "$folder/$name.ok" ] || status=1
  done
  return $status
}

# counts LOG: the sums of all result lines of a part as "passed failed skipped"; nothing where there is none.
counts() {
  sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 0\4/p' "$1" |
    awk '{p += $1; f += $2; s += $3; n++} END {if (n) print p, f, s + 0}'
}

run_tests() {
  local part log status started seconds result passed failed skipped all_passed=0 all_failed=0 all_skipped=0
  local parts=("$@")
  [ $# -gt 0 ] || parts=("${test_parts[@]}" ${long:+"${long_parts[@]}"})
  mkdir -p build/test
  for part in "${parts[@]}"; do
    [ "$(type -t "part_$part")" = function ] || die "unknown part '$part'; parts: ${test_parts[*]} ${long_parts[*]}"
    log=build/test/$part.log status=0 started=$EPOCHREALTIME
    ( "part_$part" ) >"$log" 2>&1 || status=$?
    seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
    result=$(counts "$log")
    read -r passed failed skipped <<<"${result:-0 0 0}"
    if { [ $status != 0 ] || [ -z "$result" ]; } && [ "$failed" = 0 ]; then failed=1; fi
    printf '%-12s %7d passed %5d failed %5d skipped %8s s\n' "$part" "$passed" "$failed" "$skipped" "$seconds"
    if [ "$failed" != 0 ]; then
      tail -n 40 "$log" | sed 's/^/    /'
      echo "    (all of it: $log)"
    fi
    all_passed=$((all_passed + passed)) all_failed=$((all_failed + failed))
    all_skipped=$((all_skipped + skipped))
  done
  echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
  [ "$all_failed" = 0 ]
}
