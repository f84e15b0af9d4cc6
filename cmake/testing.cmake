# testing.cmake: how does a program become a test?
#
#     sluice_test(unit_semaphore semaphore_test.cpp LABEL unit)     # a GoogleTest executable, one entry in CTest
#     sluice_expect_output(02_pipeline 02_pipeline.expected)        # runs a target and compares what it prints
#     sluice_expect_output(incident_deadlock deadlock.expected WHOLE)    # also its errors, and how it ends

include_guard(GLOBAL)

set(SLUICE_STRESS_SECONDS 1 CACHE STRING "How long each stress test works at its task")
set(SLUICE_STRESS_STEPS 200000 CACHE STRING "How many steps it makes, if it counts them")

# Gives tests what the chosen sanitizer needs, a limit against hanging, and how long a stress test may take.
function(sluice_prepare_tests)
    set(environment ${sluice_test_environment}
        "SLUICE_STRESS_SECONDS=${SLUICE_STRESS_SECONDS}" "SLUICE_STRESS_STEPS=${SLUICE_STRESS_STEPS}")
    set_tests_properties(${ARGN} PROPERTIES
        ENVIRONMENT "${environment}"
        TIMEOUT 300)
endfunction()

# Lets CTest start a target by way of the launcher that the sanitizer may need.
function(sluice_start_by_launcher target)
    if(sluice_test_launcher)
        set_target_properties(${target} PROPERTIES CROSSCOMPILING_EMULATOR "${sluice_test_launcher}")
    endif()
endfunction()

# sluice_test(name sources... [LABEL label] [LIBRARIES libraries...])
function(sluice_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "LIBRARIES")
    sluice_require(GTest)
    add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_link_libraries(${name} PRIVATE sluice::sluice sluice_dev_options GTest::gtest_main ${arg_LIBRARIES})
    sluice_start_by_launcher(${name})
    add_test(NAME ${name} COMMAND ${name})
    sluice_prepare_tests(${name})
    if(arg_LABEL)
        set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}")
    endif()
endfunction()

# sluice_expect_output(target expected-file [WHOLE]): the target runs without arguments and prints exactly the file.
# With WHOLE the file also says what is printed to standard error and how the program ends: see expect_output.cmake.
function(sluice_expect_output target expected)
    cmake_parse_arguments(PARSE_ARGV 2 arg "WHOLE" "" "")
    cmake_path(ABSOLUTE_PATH expected)
    add_test(NAME ${target}
        COMMAND ${CMAKE_COMMAND} "-Dprogram=${sluice_test_launcher};$<TARGET_FILE:${target}>" "-Dexpected=${expected}"
            "-Dwhole=${arg_WHOLE}" -P "${PROJECT_SOURCE_DIR}/cmake/expect_output.cmake")
    sluice_prepare_tests(${target})
    set_tests_properties(${target} PROPERTIES LABELS example)
endfunction()
