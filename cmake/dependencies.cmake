# dependencies.cmake: where do our tests, benchmarks and examples get the libraries they use?
#
# An installed package comes first. Otherwise the upstream release is fetched, pinned by its hash. The library itself
# needs none of these, and a project that includes it as a subdirectory never reads this file.
#
#     sluice_require(fmt)                                      # one or more of the names below
#     target_link_libraries(scavenger PRIVATE fmt::fmt)
#
#     name            target it makes available
#     GTest           GTest::gtest_main
#     benchmark       benchmark::benchmark
#     fmt             fmt::fmt
#     SQLite3         SQLite::SQLite3
#     CLI11           CLI11::CLI11
#     nlohmann_json   nlohmann_json::nlohmann_json

include_guard(GLOBAL)
include(FetchContent)

option(SLUICE_DEPENDENCIES_FROM_SOURCE
    "Build the compiled C++ dependencies here, for a standard library that the packages were not built with" OFF)

if(SLUICE_DEPENDENCIES_FROM_SOURCE)
    set(FETCHCONTENT_TRY_FIND_PACKAGE_MODE NEVER)
endif()
FetchContent_Declare(GTest SYSTEM
    URL https://github.com/google/googletest/archive/refs/tags/v1.14.0.tar.gz
    URL_HASH SHA256=8ad598c73ad796e0d8280b082cebd82a630d73e73cd3c70057938a6501bba5d7
    FIND_PACKAGE_ARGS QUIET GLOBAL)
FetchContent_Declare(benchmark SYSTEM
    URL https://github.com/google/benchmark/archive/refs/tags/v1.8.3.tar.gz
    URL_HASH SHA256=6bc180a57d23d4d9515519f92b0c83d61b05b5bab188961f36ac7b06b0d9e9ce
    FIND_PACKAGE_ARGS QUIET GLOBAL)
FetchContent_Declare(fmt SYSTEM
    URL https://github.com/fmtlib/fmt/archive/refs/tags/10.2.1.tar.gz
    URL_HASH SHA256=1250e4cc58bf06ee631567523f48848dc4596133e163f02615c97f78bab6c811
    FIND_PACKAGE_ARGS 9 QUIET GLOBAL)
if(SLUICE_DEPENDENCIES_FROM_SOURCE)
    unset(FETCHCONTENT_TRY_FIND_PACKAGE_MODE)    # C and header-only libraries fit every C++ standard library
endif()
FetchContent_Declare(SQLite3 SYSTEM
    URL https://www.sqlite.org/2023/sqlite-autoconf-3440200.tar.gz
    URL_HASH SHA256=1c6719a148bc41cf0f2bbbe3926d7ce3f5ca09d878f1246fcc20767b175bb407
    FIND_PACKAGE_ARGS 3.35 QUIET GLOBAL)
FetchContent_Declare(CLI11 SYSTEM
    URL https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
    URL_HASH SHA256=f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a
    FIND_PACKAGE_ARGS 2.1 QUIET GLOBAL)
FetchContent_Declare(nlohmann_json SYSTEM
    URL https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz
    URL_HASH SHA256=d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273
    FIND_PACKAGE_ARGS 3.9 QUIET GLOBAL)

# Asio is used where it is installed, and not fetched: only the tests of its adapter and the examples that speak HTTP need
# it. With it there is a target asio::asio.
find_path(SLUICE_ASIO_HEADERS asio.hpp)
mark_as_advanced(SLUICE_ASIO_HEADERS)
if(SLUICE_ASIO_HEADERS AND NOT TARGET asio::asio)
    find_package(Threads REQUIRED)
    add_library(asio::asio INTERFACE IMPORTED GLOBAL)
    target_include_directories(asio::asio SYSTEM INTERFACE "${SLUICE_ASIO_HEADERS}")
    target_link_libraries(asio::asio INTERFACE Threads::Threads)
    target_compile_definitions(asio::asio INTERFACE ASIO_STANDALONE
        $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT>)      # older Asio does not know that newer clang has coroutines
    if(SLUICE_SANITIZE MATCHES "thread")
        target_compile_definitions(asio::asio INTERFACE ASIO_DISABLE_FENCED_BLOCK)      # fences mean nothing to it
    endif()
endif()

set(sluice_target_of_GTest GTest::gtest_main)
set(sluice_target_of_benchmark benchmark::benchmark)
set(sluice_target_of_fmt fmt::fmt)
set(sluice_target_of_SQLite3 SQLite::SQLite3)
set(sluice_target_of_CLI11 CLI11::CLI11)
set(sluice_target_of_nlohmann_json nlohmann_json::nlohmann_json)

# Makes the named libraries available to the whole project.
function(sluice_require)
    foreach(name IN LISTS ARGN)
        if(NOT DEFINED sluice_target_of_${name})
            message(FATAL_ERROR "sluice_require: '${name}' is none of the libraries in cmake/dependencies.cmake")
        endif()
        if(NOT TARGET ${sluice_target_of_${name}})
            sluice_make_available(${name})
        endif()
        if(NOT TARGET ${sluice_target_of_${name}})
            message(FATAL_ERROR "sluice_require(${name}) found no target ${sluice_target_of_${name}}")
        endif()
    endforeach()
endfunction()

# One library, by whichever way works here. A function, so that what it sets for the fetched projects ends with it.
function(sluice_make_available name)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)       # the fetched projects' options obey the variables below
    set(CMAKE_POLICY_VERSION_MINIMUM 3.5)       # CMake 4 refuses the older minimum that some of them state
    set(BUILD_SHARED_LIBS OFF)
    set(INSTALL_GTEST OFF)
    set(BUILD_GMOCK OFF)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    set(FMT_INSTALL OFF)
    set(CLI11_BUILD_TESTS OFF)
    set(CLI11_BUILD_EXAMPLES OFF)
    set(CLI11_BUILD_DOCS OFF)
    set(CLI11_INSTALL OFF)
    set(JSON_BuildTests OFF)
    set(JSON_Install OFF)

    if(SLUICE_DEPENDENCIES_FROM_SOURCE)
        sluice_use_installed_sources(${name})
    endif()
    if(NOT TARGET ${sluice_target_of_${name}})
        FetchContent_MakeAvailable(${name})
    endif()

    if(name STREQUAL "SQLite3" AND NOT TARGET SQLite::SQLite3)
        FetchContent_GetProperties(SQLite3 SOURCE_DIR sqlite3_source)
        add_subdirectory("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sqlite3" "${CMAKE_BINARY_DIR}/_deps/sqlite3-build")
    endif()
endfunction()

# Debian ships the sources of GoogleTest and the headers of fmt: with those, nothing has to be fetched.
function(sluice_use_installed_sources name)
    if(name STREQUAL "GTest")
        find_path(SLUICE_GTEST_SOURCES googletest/src/gtest-all.cc PATHS /usr/src/googletest NO_DEFAULT_PATH)
        if(SLUICE_GTEST_SOURCES)
            set(FETCHCONTENT_SOURCE_DIR_GTEST "${SLUICE_GTEST_SOURCES}" PARENT_SCOPE)
        endif()
        mark_as_advanced(SLUICE_GTEST_SOURCES)
    elseif(name STREQUAL "fmt")
        find_path(SLUICE_FMT_HEADERS fmt/format-inl.h)
        if(SLUICE_FMT_HEADERS)
            add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
            target_include_directories(fmt::fmt INTERFACE "${SLUICE_FMT_HEADERS}")
            target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
        endif()
        mark_as_advanced(SLUICE_FMT_HEADERS)
    endif()
endfunction()
