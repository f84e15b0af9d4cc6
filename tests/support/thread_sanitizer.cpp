// SPDX-License-Identifier: BSL-1.0
// thread_sanitizer.cpp: what does the thread sanitizer report that is none?
//
// The reference count of an exception lives in the standard library's binary, which is not instrumented: whoever lets the
// last reference go seems to race with all who looked at the exception before.

#if defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_HAS_TSAN 1
#endif
#endif

#if defined(SLUICE_TEST_HAS_TSAN)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:std::__exception_ptr::exception_ptr::_M_release\n";
}
#endif
