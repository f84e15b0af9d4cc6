# must_not_compile.cmake: is a misuse refused, with a message that helps?
#
# Run as `cmake -Dcompiler=... -Dflags=... -Dinclude=... -Dsource=... -P must_not_compile.cmake`. The first line of the
# source is `// expect: <regex>`, which some line of the compiler's answer must match. The misuse itself stands under
# `#if defined(MISUSE)`, so that everything around it is known to compile. A line `// only: <id>` names the one compiler,
# by CMake's name for it, that can refuse the misuse; CMakeLists.txt leaves it out for others.

file(STRINGS "${source}" first_line LIMIT_COUNT 1)
if(NOT first_line MATCHES "^// expect: (.+)$")
    message(FATAL_ERROR "${source} does not begin with `// expect: <regex>`")
endif()
set(expected "${CMAKE_MATCH_1}")
file(READ "${source}" text)
if(NOT text MATCHES "\n#if defined\\(MISUSE\\)\n")
    message(FATAL_ERROR "${source} has no part under `#if defined(MISUSE)`")
endif()

separate_arguments(command NATIVE_COMMAND "${flags}")
list(PREPEND command "${compiler}" -std=c++20 -fsyntax-only -Werror=unused-result "-I${include}" "${source}")

execute_process(COMMAND ${command} RESULT_VARIABLE result ERROR_VARIABLE said OUTPUT_VARIABLE said)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${source} does not compile even without its misuse:\n${said}")
endif()

execute_process(COMMAND ${command} -DMISUSE RESULT_VARIABLE result ERROR_VARIABLE said OUTPUT_VARIABLE said)
if(result EQUAL 0)
    message(FATAL_ERROR "${source} compiles with its misuse")
endif()
if(NOT said MATCHES "${expected}")
    message(FATAL_ERROR "${source} is refused, but no message matches `${expected}`:\n${said}")
endif()
