# dev_options.cmake: with which warnings, sanitizers and assertions are our own programs built?
#
# Tests, examples and benchmarks link `sluice_dev_options`; nothing here reaches a user of the library. The presets in
# CMakePresets.json choose the values.

include_guard(GLOBAL)

option(SLUICE_WARNINGS "Compile our own programs with many warnings" ${PROJECT_IS_TOP_LEVEL})
option(SLUICE_WARNINGS_AS_ERRORS "Let these warnings fail the build" OFF)
option(SLUICE_ASSERTS "Keep assert() in our own programs in every build type" OFF)
set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers for our own programs: address,undefined or thread")

set(CMAKE_CXX_EXTENSIONS OFF)
add_library(sluice_dev_options INTERFACE)

if(SLUICE_WARNINGS)
    target_compile_options(sluice_dev_options INTERFACE
        -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef
        -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wimplicit-fallthrough
        # g++ 12 warns of overlapping copies inside std::string's own operator+ (GCC bug 105651), and of optionals and
        # unions whose flag it has lost sight of (GCC bug 80635).
        "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict;-Wno-maybe-uninitialized>")
endif()
if(SLUICE_WARNINGS_AS_ERRORS)
    target_compile_options(sluice_dev_options INTERFACE -Werror)
endif()
if(SLUICE_ASSERTS)
    target_compile_options(sluice_dev_options INTERFACE -UNDEBUG)
endif()

# What a test needs around it: environment variables, and a program that starts it, if any.
set(sluice_test_environment "")
set(sluice_test_launcher "")

if(SLUICE_SANITIZE)
    target_compile_options(sluice_dev_options INTERFACE
        -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
        # Many short tests compile longer than they run. g++ must optimize: it has no tail calls otherwise.
        $<IF:$<AND:$<CXX_COMPILER_ID:Clang>,$<BOOL:$<TARGET_PROPERTY:SLUICE_RUNS_SHORTLY>>>,-O0,-O1>)
    target_link_options(sluice_dev_options INTERFACE -fsanitize=${SLUICE_SANITIZE})

    # The symbolizer names source lines in reports. Debian installs it under a versioned name only.
    find_program(SLUICE_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer)
    mark_as_advanced(SLUICE_SYMBOLIZER)
    set(symbolizer "")
    if(SLUICE_SYMBOLIZER)
        set(symbolizer ":external_symbolizer_path=${SLUICE_SYMBOLIZER}")
    endif()
    set(sluice_test_environment
        "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1${symbolizer}"
        "UBSAN_OPTIONS=print_stacktrace=1${symbolizer}"
        "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1${symbolizer}")
endif()

# ThreadSanitizer of older compilers cannot start when the kernel spreads addresses over more than 28 bits.
if(SLUICE_SANITIZE MATCHES "thread" AND EXISTS /proc/sys/vm/mmap_rnd_bits)
    file(READ /proc/sys/vm/mmap_rnd_bits random_bits)
    string(STRIP "${random_bits}" random_bits)
    if(random_bits GREATER 28)
        execute_process(COMMAND setarch -R true RESULT_VARIABLE refused OUTPUT_QUIET ERROR_QUIET)
        if(refused EQUAL 0)
            set(sluice_test_launcher setarch -R)
        else()
            message(WARNING "ThreadSanitizer may fail to start: vm.mmap_rnd_bits is ${random_bits}, `setarch -R` is refused")
        endif()
    endif()
endif()
