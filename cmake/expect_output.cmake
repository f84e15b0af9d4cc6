# expect_output.cmake: does a program end well and print exactly what the file says?
#
# Run as `cmake -Dprogram=... -Dexpected=... -P cmake/expect_output.cmake`.

list(REMOVE_ITEM program "")
execute_process(COMMAND ${program} OUTPUT_VARIABLE printed RESULT_VARIABLE result)
file(READ "${expected}" wanted)
if(NOT result STREQUAL "0")
    message(FATAL_ERROR "${program} ended with ${result} after printing:\n${printed}")
endif()
if(NOT printed STREQUAL wanted)
    message(FATAL_ERROR "${program} printed:\n${printed}\nand should have printed:\n${wanted}")
endif()
