// SPDX-License-Identifier: BSL-1.0
// ticker.pml: a ticker is stopped and reset while two others look at the timers. (detail/timed_channel.hpp, I1 to I4)
// capacities: 1
// mutants: add_while_in_hand send_when_stopped send_unlocked keep_pending forget_the_new_time
//
// Time is not modelled: what is in the heap may be due at any moment, and what was reset meanwhile may be due or not.
// A time is the number of the reset that it belongs to; `pending` is that of the tick in the channel, 0: there is none.

#define RESETS 3

bool timers_mutex;
bool state_mutex;
byte in_heap;
byte in_hand;
byte armed;
bool running;
byte next_time;
byte pending;

#define acquire(m) atomic { !m -> m = true }
#define release(m) m = false

// The node is in one place at most (I2).
#define check_place() assert(in_heap + in_hand <= 1)

inline add() {
    atomic {
        !timers_mutex;
        in_heap++;
        armed = true;
        check_place()
    }
}

inline disarm() {
    if
    :: armed ->
        atomic {
            !timers_mutex;
            if
            :: in_heap > 0 ->
                in_heap--;
                armed = false
            :: else
            fi
        }
    :: else
    fi
}

// fire() under the timers' lock, time_has_come() after it (I1).
proctype fires() {
    byte due;
end:
    do
    :: atomic {
            in_heap > 0 && !timers_mutex ->
            in_heap--;
            in_hand++
        }
        due = next_time;
        acquire(state_mutex);
#ifndef send_unlocked
        due = next_time;
#endif
        in_hand--;
        armed = false;
        if
#ifdef send_when_stopped
        :: true ->
#else
        :: running ->
#endif
            if
            :: true ->
                if
                :: pending == 0 -> pending = due
                :: else
                fi
            :: true    // reset meanwhile, and its time has not come
            fi;
#ifndef forget_the_new_time
            add()
#endif
        :: else
        fi;
        release(state_mutex);
        due = 0
    od
}

inline take_back() {
#ifndef keep_pending
    pending = 0
#else
    skip
#endif
}

proctype controls() {
    byte n;
    for (n : 1 .. RESETS) {
        if
        :: acquire(state_mutex);
            running = false;
            disarm();
            take_back();
            release(state_mutex);
            // No tick comes after a stop (I3).
            assert(pending == 0);
            assert(pending == 0)
        :: true
        fi;
        acquire(state_mutex);
        disarm();
        take_back();
        next_time = n;
        running = true;
        if
#ifdef add_while_in_hand
        :: true -> add()
#else
        :: !armed -> add()
        :: else
#endif
        fi;
        release(state_mutex);
        // Nor one of before a reset.
        assert(pending == 0 || pending == n);
        assert(pending == 0 || pending == n)
    }
}

proctype receives() {
end:
    do
    :: atomic { pending != 0 -> pending = 0 }
    od
}

init {
    atomic {
        run fires();
        run fires();
        run receives();
        run controls()
    }
    // It goes on ticking: wherever all stand still, its timer is set.
    do
    :: atomic { _nr_pr == 4 && !state_mutex && in_hand == 0 ->
            assert(!running || (armed && in_heap == 1));
            break
        }
    od
}
