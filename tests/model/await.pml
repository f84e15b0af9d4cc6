// SPDX-License-Identifier: BSL-1.0
// await.pml: how does a task suspend for one operation? (detail/await.hpp: the short way of a bare operation, W5)
//
// A task is two processes: its own, and the worker on which it suspends. The worker runs await_suspend (or arm) and may
// still be busy with it when the task has been woken and goes on elsewhere.

#define short_way 1
#define long_way 2

chan suspend[WAITERS] = [0] of { byte };
bool done_[WAITERS];
bool canceled_[WAITERS];

// ---- frames ----

inline make_frame(w) {
    assert(!frame[w]);
    frame[w] = true
}

// The frame is freed: nothing may refer to it any more (W5, M1).
inline leave_frame(w) {
    touch(w);
    assert(!linked[node(w, 0)] && !linked[node(w, 1)] && !linked[node(w, watch)]);
    assert(!in_heap[w] && !arming_[w]);
    frame[w] = false;
    done_[w] = false;
    canceled_[w] = false
}

// ---- suspension ----

// Returns when the task is resumed, on the worker or elsewhere.
inline suspend_for(w, way) {
    parked[w] = true;
    suspend[w]!way;
    ready[w];
    ready[w] = false;
    parked[w] = false;
    printf("task %d: goes on\n", w)
}

// await_suspend returns false: the task goes on at once.
inline go_on(w) {
    assert(parked[w] && !ready[w]);
    ready[w] = true
}

// The look after the publish (W6); `mine`: it is to claim itself, with the state `seen`.
inline look(w, may_end) {
    d_step {
        touch(w);
        if
        :: (may_end & cancellable) && must_stop(w) || may_end == stoppable && must_stop_itself(w) ->
            mine = true;
            seen = canceled
        :: else
        fi
    }
}

// All of it under the channel's lock, so the frame lives until it is let go.
inline await_suspend(w, n) {
    atomic {
        c = on[n];
        mine = false;
        acquire(mutex[c]);
        try_commit(n);
        if
        :: !done ->
            ensure_registered(w);
            may_end = endable(w);
            prepare(w, t);
            enlist(n, t)
        :: else
        fi
    }
    if
    :: done ->
#ifdef move_after_release
        release_channel(c);
        hand_over(n);
#else
        atomic {
            hand_over(n);
            release_channel(c)
        }
#endif
        wake_all();
        atomic {
            touch(w);
            done_[w] = true;
            go_on(w)
        }
    :: else ->
#ifdef look_before_publish
        look(w, may_end);
#endif
        publish(w, t, may_end);
#ifdef release_before_look
        release_channel(c);
#endif
#if !defined(look_before_publish) && !defined(no_recheck)
        look(w, may_end);
#endif
#ifdef release_before_look
        acquire(mutex[c]);
#endif
        atomic {
            drain(w);
            if
            :: mine ->
                try_claim(w, t, canceled, won);
                if
                :: won ->
                    delist(n);
                    canceled_[w] = true;
                    go_on(w)
#ifdef loser_goes_on
                :: else -> go_on(w)
#else
                :: else  // somebody else did, whose wake must be awaited (W3)
#endif
                fi
            :: else
            fi;
            release_channel(c)  // nothing of the frame is touched any more
        }
    fi
}

// One co_await of the bare operation of node 0, after make_frame; canceled_ says whether it throws.
inline await(w) {
    atomic {
        canceled_[w] = must_stop(w);
        done = canceled_[w]
    }
    if
    :: !done ->
        atomic {
            suspend_for(w, short_way);
            if
            :: !canceled_[w] && !done_[w] && word[w].state == canceled ->
#ifndef leave_without_guard
                is_free(mutex[on[node(w, 0)]]);
#endif
                delist(node(w, 0));
                canceled_[w] = true
            :: else
            fi
        }
    :: else
    fi
}
