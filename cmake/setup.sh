# setup.sh: what do ./demo and ./check need on this machine, and how does it get there?
#
# Sourced by both, with the checkout as the working directory. On Debian and Ubuntu it installs the packages that are
# missing, after asking. Elsewhere it says what is needed. It writes nothing outside the checkout, packages aside.

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
has() { command -v "$1" > /dev/null 2>&1; }

# version_at_least 3.25 3.25.1: is the second version the first one or newer? Only major and minor number count.
version_at_least() {
    wanted_major=${1%%.*} wanted_minor=${1#*.} rest=${2#*.}
    found_major=${2%%.*} found_minor=${rest%%[!0-9]*}
    [ "${found_major:-0}" -gt "$wanted_major" ] ||
        { [ "${found_major:-0}" -eq "$wanted_major" ] && [ "${found_minor:-0}" -ge "${wanted_minor:-0}" ]; }
}

# ---- which tools are here? ------------------------------------------------------------------------------------------

# Sets `compiler` to a C++ compiler that is new enough, or to nothing. $CXX has the first word.
find_compiler() {
    compiler=
    for candidate in ${CXX:-} g++ g++-12 g++-13 g++-14 g++-15 c++ clang++ clang++-19 clang++-18 clang++-17; do
        has "$candidate" || continue
        # 12 for GNU, 16 for clang, whose first versions lack parts of C++20 that we use.
        version=$("$candidate" -dM -E -x c++ /dev/null 2> /dev/null |
            awk '$2 == "__clang_major__" { clang = $3 } $2 == "__GNUC__" { gnu = $3 }
                 END { if (clang) print "clang", clang; else print "gnu", gnu + 0 }')
        case $version in
            gnu\ *) [ "${version#gnu }" -ge 12 ] || continue ;;
            clang\ *) [ "${version#clang }" -ge 16 ] || continue ;;
            *) continue ;;
        esac
        compiler=$candidate
        return 0
    done
    return 1
}

# Sets `cmake` to a CMake that is new enough, or to nothing. Ours in the checkout comes last.
find_cmake() {
    cmake=
    for candidate in cmake .cache/cmake/bin/cmake; do
        has "$candidate" || continue
        version=$("$candidate" --version 2> /dev/null | awk 'NR == 1 { print $3 }')
        version_at_least "$minimum_cmake" "$version" || continue
        cmake=$candidate
        return 0
    done
    return 1
}

find_generator() {
    if has ninja; then
        generator=Ninja
    elif has make; then
        generator='Unix Makefiles'
    else
        generator=
        return 1
    fi
}

# ---- Debian and Ubuntu ----------------------------------------------------------------------------------------------

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# The version that apt would install, without its epoch; nothing if apt knows no such package.
candidate_of() {
    LC_ALL=C apt-cache policy "$1" 2> /dev/null |
        awk '$1 == "Candidate:" && $2 != "(none)" { sub(/^[0-9]+:/, "", $2); print $2 }'
}

# Sets `missing` to the packages that are not here yet.
find_missing_packages() {
    missing=
    find_compiler || missing="$missing g++"
    find_cmake || missing="$missing cmake"
    has ninja || missing="$missing ninja-build"
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    missing=${missing# }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

ask_to_install() {
    say "Missing on this machine: $1"
    if [ "$(id -u)" -ne 0 ] && ! has sudo; then
        fail "There is no sudo here. Please run as root:  apt-get update && apt-get install $1"
    fi
    say "They are packages of the system and will be installed by apt-get."
    if [ "$assume_yes" = yes ] || [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
        return 0
    fi
    [ -t 0 ] || fail "Nobody can be asked here. Run $0 --yes to install them, or install them yourself."
    printf 'Install them now? [Y/n] '
    read -r answer || answer=n
    case $answer in
        '' | [Yy]*) return 0 ;;
        *) fail "Nothing was installed." ;;
    esac
}

# Turns the names in `missing` into packages that this release has, in `wanted`. Where its g++ is too old it may have a
# newer one beside it; where its CMake is too old, one from Python's registry goes into the checkout.
choose_packages() {
    wanted= cmake_by_pip=no
    for package in $missing; do
        case $package in
            g++)
                for choice in g++ g++-12 g++-13 g++-14; do
                    version_at_least 12.0 "$(candidate_of $choice)" && break
                    choice=
                done
                [ -n "$choice" ] || fail "This release has no g++ 12 or newer. Please install one, or clang 16 or newer."
                wanted="$wanted $choice"
                ;;
            cmake)
                if version_at_least "$minimum_cmake" "$(candidate_of cmake)" && ! is_installed cmake; then
                    wanted="$wanted cmake"
                else
                    cmake_by_pip=yes
                    is_installed python3-venv || wanted="$wanted python3-venv"
                fi
                ;;
            *)
                # A library that this release does not have is fetched when CMake configures.
                [ -z "$(candidate_of "$package")" ] || wanted="$wanted $package"
                ;;
        esac
    done
}

install_missing_packages() {
    ask_to_install "$missing"
    as_root apt-get update -q || say "apt-get update failed; going on with the lists that are here."
    choose_packages
    if [ -n "$wanted" ]; then
        say "Installing:$wanted"
        # shellcheck disable=SC2086 # a list of words
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted ||
            fail "apt-get could not install:$wanted"
    fi
    if [ "$cmake_by_pip" = yes ]; then
        say "The CMake of this release is older than $minimum_cmake: putting a newer one into .cache/cmake"
        python3 -m venv .cache/cmake && .cache/cmake/bin/pip install -q --no-cache-dir 'cmake>=3.25,<4' ||
            fail "No newer CMake could be had. Please install CMake $minimum_cmake or newer."
    fi
}

# ---- set_up: what both commands begin with --------------------------------------------------------------------------

# set_up package...: afterwards `compiler`, `cmake` and `generator` are there, and the packages where there are packages.
set_up() {
    minimum_cmake=3.25
    if has apt-get && has dpkg-query; then
        find_missing_packages "$@"
        [ -z "$missing" ] || install_missing_packages
    fi
    find_compiler; find_cmake; find_generator
    if [ -z "$compiler" ] || [ -z "$cmake" ] || [ -z "$generator" ]; then
        say "Needed, and not found here:" >&2
        [ -n "$compiler" ] || say "  a C++20 compiler: g++ 12 or newer, or clang 16 or newer (CXX names it)" >&2
        [ -n "$cmake" ] || say "  CMake $minimum_cmake or newer" >&2
        [ -n "$generator" ] || say "  ninja or make" >&2
        say "Only Debian and Ubuntu are set up by this command. The libraries of the tests and examples (fmt, SQLite," >&2
        say "CLI11, nlohmann_json, GoogleTest) are used where they are installed, and fetched otherwise." >&2
        exit 1
    fi

    # Compiled objects are kept in the checkout, so that a change of branch costs little.
    if has ccache; then
        export CMAKE_CXX_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER-ccache}"
        export CCACHE_DIR="${CCACHE_DIR-$PWD/.cache/ccache}"
        export CCACHE_TEMPDIR="${CCACHE_TEMPDIR-$CCACHE_DIR/tmp}"
        export CCACHE_MAXSIZE="${CCACHE_MAXSIZE-2G}"
    fi
    jobs=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)
    export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL-$jobs}"
    export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL-$jobs}"
}

# build_preset name: configures where that was not done yet, and builds.
build_preset() {
    if [ ! -e "build/$1/build.ninja" ] && [ ! -e "build/$1/Makefile" ]; then
        "$cmake" --preset "$1" -G "$generator" -DCMAKE_CXX_COMPILER="$compiler" ||
            fail "The build could not be configured. CMake says above what is missing."
    fi
    "$cmake" --build --preset "$1" || fail "The build failed."
}
