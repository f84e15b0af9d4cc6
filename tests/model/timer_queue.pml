// SPDX-License-Identifier: BSL-1.0
// timer_queue.pml: whose time has come? (detail/timer_queue.hpp, fire in context_tree.hpp; Q1, Q2)
//
// Time is not modelled: a timer in the heap may be due at any moment, and in the end every one is.

bool timers_mutex;
bool in_heap[WAITERS];
byte timer_turn[WAITERS];

inline add_locked(w, t) {
    touch(w);
    timer_turn[w] = t;
    in_heap[w] = true
}

inline remove_timer(w) {
    atomic {
        is_free(timers_mutex);
        touch(w);
        timer_turn[w] = 0;
        in_heap[w] = false
    }
}

// Pops and claims under the lock (Q2).
inline fire(w) {
    atomic {
        in_heap[w] && is_free(timers_mutex) ->
        timers_mutex = true;
        touch(w);
        in_heap[w] = false;
        printf("timers: the time of task %d has come\n", w)
    }
#ifdef fire_claims_late
    release(timers_mutex);
    touch(w);
#endif
    try_claim(w, timer_turn[w], timed_out, won);
#ifndef fire_claims_late
    atomic {
        touch(w);
        release(timers_mutex)
    }
#endif
    if
    :: won -> wake(w)
    :: else
    fi
}
