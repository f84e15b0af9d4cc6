// SPDX-License-Identifier: BSL-1.0
// registry.pml: how is a task asked to stop, and how are all tasks of a home? (detail/registry.hpp, start.hpp,
// task_state.hpp; H1, H2)
//
// All tasks of a program live in one home. The home is marked when its context ends, or when the run does.

bool shard_mutex;
bool registered[WAITERS];
bool home_ended;
bool run_ended;
byte shields[WAITERS];

bool join_mutex[WAITERS];
bool stop_requested[WAITERS];

bool context_ended;  // of the context that a wait may name: the home's own (NAMES_OWN), or another
bool names[WAITERS];

// What may end a wait of this task. Where the wait names the own context, its watch speaks for that.
#ifdef look_ignores_shield
#define IS_SHIELDED(w) false
#else
#define IS_SHIELDED(w) shields[w]
#endif
#ifdef NAMES_OWN
#ifdef names_own_context
#define OWN_BITS 0
#else
#define OWN_BITS stoppable
#endif
#define endable(w) (shields[w] -> 0 : (names[w] -> OWN_BITS : stoppable + cancellable))
// A stop of the task, or the end of its run: a context ends before its homes (C2).
#define must_stop_itself(w) (!IS_SHIELDED(w) && (stop_requested[w] || home_ended && !context_ended))
#else
#define endable(w) (shields[w] -> 0 : stoppable + cancellable)
#define must_stop_itself(w) must_stop(w)
#endif
#define must_stop(w) (!IS_SHIELDED(w) && (stop_requested[w] || home_ended))

inline ensure_registered(w) {
    if
#ifdef no_registration
    :: true
#endif
    :: !registered[w] ->
        is_free(shard_mutex);
        registered[w] = true
    :: else
    fi
}

// The end of a task: it leaves the registry, then it is gone (H2).
inline end_task(w) {
    atomic {
        is_free(shard_mutex);
        registered[w] = false;
        is_free(join_mutex[w]);
        assert(!frame[w] && !parked[w] && !ready[w]);
        gone[w] = true;
        tasks_ended++;
        printf("task %d: has ended\n", w)
    }
}

inline mark_home() {
    atomic {
        home_ended = true;
        printf("canceller: has marked the home\n")
    }
}

inline walk(by) {
    acquire(shard_mutex);
    n = 0;
    do
    :: n < WAITERS ->
        if
        :: registered[n] ->
            try_cancel(n, by);
            if
            :: won -> push(n)
            :: !won && runs -> somebody_runs = true
            :: else
            fi
        :: else
        fi;
        n++
    :: else -> break
    od;
#ifdef weak_flag
    mark_home();
#endif
    release(shard_mutex)
}

// H1: marks the home as ended, then claims every task whose wait may be ended by what `by` stands for; those that did
// not wait are looked at again after a barrier. A weak mark may stay in the store buffer until the release of a lock.
inline cancel_tasks(by) {
#if !defined(claim_before_flag) && !defined(weak_flag)
    mark_home();
#endif
    somebody_runs = false;
    walk(by);
    if
    :: somebody_runs ->
        heavy_barrier();
#ifndef no_second_look
        walk(by)
#endif
    :: else
    fi
#ifdef claim_before_flag
    ; mark_home()
#endif
}

// join_handle::cancel
inline request_stop(w) {
    acquire(join_mutex[w]);
    if
    :: gone[w] -> release(join_mutex[w])
    :: else ->
#ifndef claim_before_flag
        stop_requested[w] = true;
        printf("handle: has asked task %d to stop\n", w);
#endif
        try_cancel(w, stoppable);
        if
        :: !won && runs ->
            heavy_barrier();
#ifndef no_second_look
            try_cancel(w, stoppable)
#endif
        :: else
        fi;
#ifdef claim_before_flag
        stop_requested[w] = true;
#endif
        release(join_mutex[w]);
        if
        :: won -> wake(w)
        :: else
        fi
    fi
}
