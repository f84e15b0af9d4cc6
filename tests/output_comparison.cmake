# output_comparison.cmake: does cmake/expect_output.cmake tell output that is as expected from output that is not?
#
# Run as `cmake -Dfolder=<a folder to write to> -P tests/output_comparison.cmake`.

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
file(MAKE_DIRECTORY "${folder}")

# What `judge` sets `accepted` for: a program that prints `printed` and to standard error `errors`, then ends by `end`.
function(judge printed errors end expected)
    file(WRITE "${folder}/printed" "${printed}")
    file(WRITE "${folder}/errors" "${errors}")
    file(WRITE "${folder}/expected" "${expected}")
    execute_process(
        COMMAND ${CMAKE_COMMAND} "-Dprogram=sh;-c;cat '${folder}/printed' && cat '${folder}/errors' >&2 && ${end}"
            "-Dexpected=${folder}/expected" -Dwhole=ON -P "${root}/cmake/expect_output.cmake"
        RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
    set(said "${said}" PARENT_SCOPE)
    if(result EQUAL 0)
        set(accepted YES PARENT_SCOPE)
    else()
        set(accepted NO PARENT_SCOPE)
    endif()
endfunction()
function(accepts why printed errors end expected)
    judge("${printed}" "${errors}" "${end}" "${expected}")
    if(NOT accepted)
        message(SEND_ERROR "should accept ${why}:\n${said}")
    endif()
endfunction()
function(refuses why printed errors end expected)
    judge("${printed}" "${errors}" "${end}" "${expected}")
    if(accepted)
        message(SEND_ERROR "should refuse ${why}")
    endif()
endfunction()

accepts("the same lines" "one; two\n\n[three\n" "" "exit 0" "one; two\n\n[three\n")
refuses("another line" "one\n" "" "exit 0" "two\n")
refuses("a line too few" "one\n" "" "exit 0" "one\ntwo\n")
refuses("a line too many" "one\ntwo\n" "" "exit 0" "one\n")
refuses("lines in another order" "one\ntwo\n" "" "exit 0" "two\none\n")

accepts("a line that matches" "took 12 ms\n" "" "exit 0" "~ took [0-9]+ ms\n")
refuses("a line that matches in part" "it took 12 ms\n" "" "exit 0" "~ took [0-9]+ ms\n")
refuses("a text taken for an expression" "took 12 ms\n" "" "exit 0" "took [0-9]+ ms\n")

accepts("any lines between" "one\ntwo\nthree\nfour\n" "" "exit 0" "one\n...\nfour\n")
accepts("no lines between" "one\nfour\n" "" "exit 0" "one\n...\nfour\n")
accepts("any lines at the end" "one\ntwo\n" "" "exit 0" "one\n...\n")
refuses("any lines and not the next" "one\ntwo\n" "" "exit 0" "one\n...\nfour\n")

accepts("errors that are expected" "one\n" "two\n" "exit 0" "one\n--- standard error\ntwo\n")
refuses("errors that are not" "one\n" "two\n" "exit 0" "one\n")
refuses("no errors" "one\n" "" "exit 0" "one\n--- standard error\ntwo\n")
refuses("an error as output" "one\ntwo\n" "" "exit 0" "one\n--- standard error\ntwo\n")

accepts("the exit code" "one\n" "" "exit 3" "one\n--- ends with 3\n")
refuses("another exit code" "one\n" "" "exit 2" "one\n--- ends with 3\n")
refuses("an exit code that is not expected" "one\n" "" "exit 1" "one\n")
refuses("a good end" "one\n" "" "exit 0" "one\n--- ends by abort\n")
accepts("an abort" "one\n" "" "kill -ABRT $$" "one\n--- ends by abort\n")
refuses("a section that is none" "one\n" "" "exit 0" "one\n--- standard errors\n")
