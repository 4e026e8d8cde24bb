# The parts of ./dev test, sourced by ./dev. A part is a function part_NAME; its last line of output of the form
# `N passed, N failed[, N skipped]` is its result. A part that ends with an error and counts no failure has one.
test_preset=${ICECORE_TEST_PRESET:-asan}  # assertions, ASan and UBSan
long=${ICECORE_LONG:-}                       # set by ./dev test --long
icecore=$root/build/$test_preset/bin/icecore
export ASAN_SYMBOLIZER_PATH=/usr/lib/llvm-19/bin/llvm-symbolizer
# Parts that start the program thousands of times try the build that is used; --long tries them sanitized.
shipped() { if [ -n "$long${ICECORE_TEST_PRESET:-}" ]; then echo "$icecore"; else echo "$root/build/release/bin/icecore"; fi; }
test_parts=(build unit layers format tidy spec oracle conformance integration fault facts)
waiting_parts=(integration fault facts)  # often for servers, disks and clocks: beside them go those that compute
long_parts=(fuzz peers soak)             # by name, and with --long

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

# in_memory: temporary folders in memory, if there is room; for parts that ask what is computed, not what a disk keeps.
# A run of a small project waits for forty fsyncs, a third of its time.
in_memory() {
  local room
  [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] || return 0
  room=$(df --output=avail -B 1M /dev/shm | tail -n 1)
  [ "$room" -lt 4000 ] || export TMPDIR=/dev/shm
}

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

part_spec() { thrifty; in_memory; runner tests/spec/run.py --icecore "$icecore"; }
part_oracle() {
  local status=0
  in_memory
  runner tests/oracle/run.py --icecore "$icecore" ${long:+--cases 1000000} || status=1
  runner tests/oracle/serve.py --icecore "$(shipped)" ${long:+--projects 40 --seconds 15} || status=1
  return $status
}
part_fault() { runner tests/fault/run.py --icecore "$(shipped)" ${long:+--long}; }
part_facts() { runner tests/facts/run.py --prototype --icecore "$(shipped)"; }

part_conformance() {
  local mode status=0
  in_memory
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
  case $1 in
    */golden/*) thrifty; runner "$@" --icecore "$icecore" --asked "$(shipped)" ;;
    */foreign/*) thrifty; runner "$@" --icecore "$icecore" ;;
    */python/*) runner "$@" --icecore "$root/build/release/bin/icecore" ;;
    */soak/*) build release icecore_server_bench && runner "$@" --icecore "$root/build/release/bin/icecore" ;;
    */openers/*) runner "$@" --icecore "$(shipped)" --lake "$our_lake" ;;
    */stores/*) in_memory; runner "$@" --icecore "$(shipped)" ;;
    */spark/*) runner "$@" --icecore "$(shipped)" --deps "$deps" --lake "$our_lake" ${long:+--live} ;;
    *) runner "$@" --icecore "$(shipped)" ;;
  esac
}

# integration_suites: `FOLDER` or `FOLDER ARGUMENTS` a line, the longest first.
integration_suites() {
  local suite first=("stores -k dynamodb" spark foreign "stores --but dynamodb" s3 python golden soak)
  printf '%s\n' "${first[@]}"
  for suite in tests/integration/*/run.py; do
    suite=$(basename "${suite%/run.py}")
    [[ " ${first[*]} " == *" $suite "* ]] || echo "$suite"
  done
}

# suite FILE FOLDER [ARGUMENTS]: with its time as the last line, and FILE.ok where it held.
suite() {
  local file=$1
  shift
  if timed "$file.time" integration_of "tests/integration/$1/run.py" "${@:2}"; then touch "$file.ok"; fi
  echo "tests/integration/$*: $(spent "$file.time")"
}

# One more at a time than there are processors: they often wait for servers and disks.
part_integration() {
  local line folder=$root/build/test/integration status=0 suites words
  local our_lake=$folder/our_lake  # made once
  mapfile -t suites < <(integration_suites)
  export ICECORE_TESTS_OF=$root/build/$test_preset/bin  # unit test binaries that some of them drive
  setup_spark
  setup_bench
  rm -rf "$folder"
  mkdir -p "$folder"
  for line in "${suites[@]}"; do
    read -ra words <<<"$line"
    while [ "$(jobs -rp | wc -l)" -gt "$(nproc)" ]; do wait -n || true; done
    suite "$folder/${line//[ \/]/_}" "${words[@]}" >"$folder/${line//[ \/]/_}.log" 2>&1 &
  done
  wait
  rm -rf "$our_lake"
  for line in "${suites[@]}"; do [ ! -e "$folder/${line//[ \/]/_}.ok" ] || cat "$folder/${line//[ \/]/_}.log"; done
  for line in "${suites[@]}"; do
    [ -e "$folder/${line//[ \/]/_}.ok" ] || { status=1; cat "$folder/${line//[ \/]/_}.log"; }
  done
  return $status
}

# counts LOG: the sums of all result lines of a part as "passed failed skipped"; nothing where there is none.
counts() {
  sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 0\4/p' "$1" |
    awk '{p += $1; f += $2; s += $3; n++} END {if (n) print p, f, s + 0}'
}

# timed FILE COMMAND…: as the command ends; FILE gets seconds, and processor seconds of user and system.
timed() {
  local file=$1 TIMEFORMAT='%R %U %S'
  shift
  { time "$@" 2>&3; } 3>&2 2>"$file"
}

# spent FILE: what `timed` wrote, in words.
spent() { awk '{printf "%.0f s, %.0f s of processors", $1, $2 + $3}' "$1"; }

# run_part PART: its line, the end of its log where it failed, and its counts in PART.counts.
run_part() {
  local part=$1 log=build/test/$1.log status=0 result passed failed skipped
  timed "build/test/$part.time" in_shell_of_its_own "part_$part" >"$log" 2>&1 || status=$?
  result=$(counts "$log")
  read -r passed failed skipped <<<"${result:-0 0 0}"
  if { [ $status != 0 ] || [ -z "$result" ]; } && [ "$failed" = 0 ]; then failed=1; fi
  echo "$passed $failed $skipped" >"build/test/$part.counts"
  {
    flock 9  # a report is whole, whatever ends meanwhile
    printf '%-12s %7d passed %5d failed %5d skipped %8.1f s, %6.0f s of processors\n' "$part" "$passed" "$failed" "$skipped" \
      $(awk '{print $1, $2 + $3}' "build/test/$part.time")
    if [ "$failed" != 0 ]; then
      tail -n 40 "$log" | sed 's/^/    /'
      echo "    (all of it: $log)"
    fi
  } 9>build/test/lock
}

# Bash goes on where a program of its ends well at an interrupt, as runners do that have servers to stop.
in_shell_of_its_own() { ( trap 'exit 130' INT; "$@" ); }

run_parts() {
  local part
  trap 'exit 130' INT
  for part in "$@"; do run_part "$part"; done
}

# beside COUNT PART…: the first COUNT parts one after the other, and beside them the others. Those that wait go first
# wherever both could go on, so that they end first: what computes is never at a loss for a processor.
beside() {
  local count=$1 lanes=()
  shift
  set -m  # process groups of their own, which an interrupt reaches as a whole
  run_parts "${@:1:count}" </dev/null &
  lanes+=($!)
  { renice -n 5 -p "$BASHPID" >/dev/null || true; run_parts "${@:count + 1}"; } </dev/null &
  lanes+=($!)
  set +m
  lanes=("${lanes[@]/#/-}")
  trap 'kill -INT -- "${lanes[@]}"; wait; exit 130' INT
  # Shells that were started in the background heed no interrupt; runners do, and stop their servers.
  trap 'kill -INT -- "${lanes[@]}"; sleep 5; kill -TERM -- "${lanes[@]}" 2>/dev/null; exit 143' TERM
  wait
  trap - TERM
  trap 'exit 130' INT
}

# among PART LIST…
among() {
  local part=$1
  shift
  [[ " $* " == *" $part "* ]]
}

run_tests() {
  local part parts=("$@") before=() after=() computing=() waiting=() passed failed skipped all_passed=0 all_failed=0 all_skipped=0
  [ $# -gt 0 ] || parts=("${test_parts[@]}" ${long:+"${long_parts[@]}"})
  mkdir -p build/test
  rm -f build/test/*.counts
  for part in "${parts[@]}"; do
    [ "$(type -t "part_$part")" = function ] || die "unknown part '$part'; parts: ${test_parts[*]} ${long_parts[*]}"
    if [ "$part" = build ]; then before+=("$part")
    elif among "$part" "${waiting_parts[@]}"; then waiting+=("$part")
    elif among "$part" "${long_parts[@]}"; then after+=("$part")
    else computing+=("$part"); fi
  done
  run_parts "${before[@]}"
  if [ ${#computing[@]} = 0 ] || [ ${#waiting[@]} = 0 ]; then run_parts "${computing[@]}" "${waiting[@]}"; else
    beside ${#waiting[@]} "${waiting[@]}" "${computing[@]}"
  fi
  run_parts "${after[@]}"
  for part in "${parts[@]}"; do
    passed=0 failed=1 skipped=0  # of a part that came to no end
    [ ! -e "build/test/$part.counts" ] || read -r passed failed skipped <"build/test/$part.counts"
    all_passed=$((all_passed + passed)) all_failed=$((all_failed + failed)) all_skipped=$((all_skipped + skipped))
  done
  echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
  [ "$all_failed" = 0 ]
}
