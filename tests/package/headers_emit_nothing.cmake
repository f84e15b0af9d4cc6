# Who includes a header and uses nothing of it pays for reading it alone: no object of `objects` has the scheduler in it.
#
# g++ emits coroutines that are no templates wherever they are seen, and classes whose first virtual function is defined
# behind them: with all that these call, which compiled twice as long (SLUICE_ONLY_IF_USED in platform.hpp).

set(found "")
foreach(object IN LISTS objects)
    execute_process(COMMAND "${nm}" -C "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    if(symbols MATCHES " [tTwW] sluice::detail::runtime_core::")
        string(APPEND found "  ${object}\n")
    endif()
endforeach()
if(found)
    message(FATAL_ERROR "These objects of headers that nobody uses have the scheduler in them:\n${found}"
        "Is there a coroutine, or a caller of one, that is no template?")
endif()
