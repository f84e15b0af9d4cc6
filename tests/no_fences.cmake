# no_fences.cmake: is every order between threads made by an operation on an object? (T54)
#
# ThreadSanitizer does not model `std::atomic_thread_fence`: with one, what it calls a race may be none, and the other way
# round. A signal fence orders nothing between threads and is none of these.

cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE headers "${CMAKE_CURRENT_LIST_DIR}/../include/*.hpp")
set(found 0)
foreach(header IN LISTS headers)
    file(STRINGS "${header}" lines REGEX "thread_fence|__sync_synchronize|__atomic_thread|_mm_mfence")
    foreach(line IN LISTS lines)
        message("${header}: ${line}")
        set(found 1)
    endforeach()
endforeach()
if(found OR NOT headers)
    message(FATAL_ERROR "a header has a fence, or there are no headers")
endif()
