// SPDX-License-Identifier: BSL-1.0
// multi_wait.pml: how does one waiter wait for any of several things? (detail/multi_wait.hpp, M1 to M3)
//
// Up to two cases, a named context and a deadline. What fired: a position, or timed_out_position, or canceled_position.

#define timed_out_position 8
#define canceled_position 9
#define nothing_fired 10

byte cases[WAITERS];
bool has_deadline[WAITERS];  // a timer: of a task's wait
bool arming_[WAITERS];       // the lock, in the frame
bool armed_[WAITERS];
byte endable_[WAITERS];
byte fired_[WAITERS];

inline try_now(w) {
    atomic {
        endable_[w] = endable(w);
        fired_[w] = nothing_fired;
        mine = false;
        look(w, endable_[w]);
        if
        :: mine -> fired_[w] = canceled_position
        :: !mine && names[w] && context_ended -> fired_[w] = watch
        :: else
        fi;
        // shuffle()
        n = (fired_[w] == nothing_fired -> cases[w] : 0);
        i = 0;
        if
        :: n > 1 -> i = 1
        :: true
        fi
    }
    do
    :: n > 0 ->
        atomic {
            c = on[node(w, i)];
            acquire(mutex[c]);
            try_commit(node(w, i))
        }
        atomic {
            hand_over(node(w, i));
            release_channel(c);
            if
            :: done ->
                fired_[w] = i;
                n = 0
            :: else ->
                i = 1 - i;
                n--
            fi
        }
        wake_all()
    :: else -> break
    od
}

// In address order, each once (W7): `low` and `high`.
inline lock_all(w) {
    low = none;
    high = none;
    if
    :: cases[w] > 0 ->
        low = on[node(w, 0)];
        high = on[node(w, cases[w] - 1)];
#ifndef guards_in_given_order
        if
        :: low > high ->
            low = high;
            high = on[node(w, 0)]
        :: else
        fi;
#endif
        acquire(mutex[low]);
        if
        :: high != low -> acquire(mutex[high])
        :: else
        fi
    :: else
    fi
}

inline unlock_all(w) {
    atomic {
        touch(w);
        if
        :: high != low -> release_channel(high)
        :: else
        fi;
        if
        :: low != none -> release_channel(low)
        :: else
        fi
    }
}

inline arm_timer(w) {
    if
    :: has_deadline[w] ->
        atomic {
            is_free(timers_mutex);
            drain(w);
            add_locked(w, t)
        }
    :: else
    fi
}

inline arm_watch(w) {
    if
    :: names[w] ->
        atomic {
            is_free(context_mutex);
            drain(w);
            touch(w);
#ifndef watch_without_look
            if
            :: context_ended ->
                mine = true;
                seen = first_case + watch
            :: else -> push_back(watchers, node(w, watch), t)
            fi
#else
            push_back(watchers, node(w, watch), t)
#endif
        }
    :: else
    fi
}

// A task that has been woken waits for `arming_` first (M1). Without the wake, only its lock tells that a winner has done
// its part (W8).
inline finish(w, before_the_wake) {
    atomic {
        touch(w);
#ifndef finish_without_arming
        is_free(arming_[w]);
#endif
        if
        :: word[w].state == canceled -> fired_[w] = canceled_position
        :: word[w].state == timed_out -> fired_[w] = timed_out_position
        :: else -> fired_[w] = word[w].state - first_case
        fi;
        i = 0
    }
    do
    :: i < cases[w] ->
        atomic {
            if
            :: fired_[w] != i || before_the_wake ->
                is_free(mutex[on[node(w, i)]]);
#ifndef finish_keeps_nodes
                delist(node(w, i))
#endif
            :: else
            fi;
            i++
        }
    :: else -> break
    od;
#ifndef finish_keeps_watch
    atomic {
        is_free(context_mutex);
        unlink(watchers, node(w, watch))
    };
#endif
#ifndef finish_keeps_timer
    remove_timer(w)
#endif
}

inline arm(w) {
    atomic {
        touch(w);
        armed_[w] = true;
        mine = false;
        done = false;
        i = 0;
        lock_all(w);
#ifndef no_recheck
        do
        :: !done && i < cases[w] ->
            try_commit(node(w, i));
            if
            :: done -> fired_[w] = i
            :: else -> i++
            fi
        :: else -> break
        od;
#endif
        if
        :: !done ->
            ensure_registered(w);
            acquire(arming_[w]);
            prepare(w, t);
            i = 0;
            do
            :: i < cases[w] ->
                enlist(node(w, i), t);
                i++
            :: else -> break
            od
        :: else
        fi
    }
    if
    :: done ->
        atomic {
            hand_over(node(w, i));
            unlock_all(w)
        }
        wake_all();
        atomic {
            touch(w);
            armed_[w] = false;
            go_on(w)
        }
    :: else ->
#ifdef look_before_publish
        look(w, endable_[w]);
#endif
#ifdef arm_before_publish
        arm_timer(w);
        arm_watch(w);
#endif
        publish(w, t, endable_[w]);
#ifndef arm_before_publish
        arm_timer(w);
        arm_watch(w);
#endif
#ifndef look_before_publish
        look(w, endable_[w]);
#endif
        atomic {
            drain(w);
            if
            :: mine -> try_claim(w, t, seen, mine)  // M3
            :: else
            fi
        }
        unlock_all(w);
        atomic {
            touch(w);
            release(arming_[w]);  // M1: unless it is ours, nothing of the wait is touched from here on
            if
            :: mine -> go_on(w)   // to finish()
            :: else
            fi
        }
    fi
}

// A task's wait, after make_frame; fired_ says what ended it.
inline await_any(w) {
    try_now(w);
    atomic {
        done = fired_[w] != nothing_fired;
        if
        :: !done ->
            suspend_for(w, long_way);
            done = !armed_[w]
        :: else
        fi
    }
    if
    :: !done -> finish(w, false)
    :: else
    fi
}

// A thread's wait (block_on), perhaps with a time limit. It arms by itself and is nowhere else meanwhile.
inline block_on(w, is_limited) {
    try_now(w);
    atomic {
        done = fired_[w] != nothing_fired;
        parked[w] = !done
    }
    if
    :: !done ->
        arm(w);
        if
        :: ready[w]
        :: is_limited && !ready[w] ->  // park_until() says that the time has come
            try_claim(w, word[w].epoch, timed_out, won);  // try_time_out()
            if
            :: won -> ready[w] = true
#ifdef loser_goes_on
            :: else -> ready[w] = true
#else
            :: else
#endif
            fi
        fi;
        atomic {
            ready[w];
            ready[w] = false;
            parked[w] = false;
            done = !armed_[w];
            printf("task %d: goes on\n", w)
        }
        if
        :: !done -> finish(w, false)
        :: else
        fi
    :: else
    fi
}

// A foreign coroutine's wait, whose frame may go instead, at any time from its publish on. `done`: it has gone.
inline await_or_go(w) {
    try_now(w);
    atomic {
        done = false;
        ended = fired_[w] != nothing_fired;
        if
        :: !ended ->
            parked[w] = true;
            suspend[w]!long_way;
            if
            :: ready[w] ->
                ready[w] = false;
                ended = !armed_[w];
                parked[w] = false;
                printf("task %d: goes on\n", w)
            :: !ready[w] && word[w].state != idle -> done = true
            fi
        :: else
        fi
    }
    if
    :: done ->
        // abandon(), give_up()
        try_claim(w, word[w].epoch, canceled, mine);
#ifdef abandon_spares_winner
        finish(w, false);
#else
        finish(w, !mine);
#endif
        atomic {
            over[w] = true;
            ready[w] = false;
            parked[w] = false;
            printf("task %d: its frame goes\n", w)
        }
    :: !done && !ended -> finish(w, false)
    :: else
    fi
}
