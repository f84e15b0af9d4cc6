// SPDX-License-Identifier: BSL-1.0
// channel_core.pml: what do a send and a receive do under the channel's lock? (detail/channel_core.hpp, K1 to K4)
//
// A channel has room for CAPACITY values, 0 or 1. A value is a number from 1 on; 0 is none. `value` of a node is what a
// sender still has, or what a receiver was given. Lists are first in, first out, by the nature of Promela's channels.

#define full 0
#define ok 1
#define closed 2

bool mutex[CHANNELS];
chan receivers[CHANNELS] = [nodes] of { byte };
chan senders[CHANNELS] = [nodes] of { byte };
byte ring[CHANNELS];
bool is_closed[CHANNELS];

// What the operation of a node is.
bool sends[nodes];
byte on[nodes];
byte value[nodes];
byte why[nodes];

#define has_room(c) (CAPACITY > 0 && ring[c] == 0)

// ---- invariants, true whenever the lock is free ----

// The waiters that are still waiting on one side, as a set: bit `w`.
hidden byte sending, receiving;

#define is_live(n, c, side) \
    (linked[n] && on[n] == c && sends[n] == side && word[who(n)].state == waiting && word[who(n)].epoch == turn[n])
#define live_bit(w, c, side) (is_live(node(w, 0), c, side) || is_live(node(w, 1), c, side))
#if WAITERS == 1
#define live(c, side) live_bit(0, c, side)
#elif WAITERS == 2
#define live(c, side) live_bit(0, c, side) + 2 * live_bit(1, c, side)
#else
#define live(c, side) live_bit(0, c, side) + 2 * live_bit(1, c, side) + 4 * live_bit(2, c, side)
#endif

inline check_channel(c) {
    d_step {
        sending = live(c, true);
        receiving = live(c, false);
        assert(!receiving || !ring[c]);                   // K1
        assert(!sending || !has_room(c));                 // K1
        assert(!is_closed[c] || !sending && !receiving);  // K3
        // Nobody waits beside a partner. A select that sends and receives on one channel is not its own partner.
        assert(!sending || !receiving || sending == receiving && (sending & (sending - 1)) == 0)
    }
}

inline release_channel(c) {
    atomic {
        assert(mutex[c]);
        check_channel(c);
        mutex[c] = false
    }
}

// ---- one value changes place (K4) ----

inline take_value(n, v) {
    touch(who(n));
    assert(value[n] != 0);
    v = value[n];
    value[n] = 0
}

inline put(n, v) {
    touch(who(n));
    assert(value[n] == 0 && !sends[n]);
    value[n] = v;
    v = 0
}

// ---- under the lock ----

// A try that is `done` may have claimed a waiter of the other side: `met` is its node then, and hand_over() follows, in a
// step of its own, between which and the claim a waiter that was let go too early would go on.
inline try_send(n, c) {
    if
    :: is_closed[c] -> why[n] = closed
    :: else ->
        claim_front(receivers[c]);
        if
        :: met == none && has_room(c) ->
            take_value(n, ring[c]);
            why[n] = ok
        :: met == none && !has_room(c) -> done = false
        :: else
        fi
    fi
}

inline try_receive(n, c) {
    if
    :: ring[c] -> put(n, ring[c])
    :: else
    fi;
    claim_front(senders[c]);
    if
    :: met == none && !value[n] && is_closed[c] -> why[n] = closed
    :: met == none && !value[n] && !is_closed[c] -> done = false
    :: else
    fi
}

inline try_commit(n) {
    touch(who(n));
    done = true;
    met = none;
    if
    :: sends[n] -> try_send(n, on[n])
    :: else -> try_receive(n, on[n])
    fi
#ifdef wake_before_move
    ; if
    :: met != none -> wake(who(met))
    :: else
    fi
#endif
}

// W3: first the value, then the wake.
inline hand_over(n) {
    if
    :: met != none ->
        if
        :: sends[n] ->
            assert(!ring[on[n]]);  // K2: nothing is overtaken
            take_value(n, moving);
            put(met, moving);
            why[n] = ok
        :: !sends[n] && !value[n] ->
            take_value(met, moving);
            put(n, moving);
            why[met] = ok
        :: !sends[n] && value[n] ->
            assert(!ring[on[n]]);  // it has just been emptied
            take_value(met, ring[on[n]]);
            why[met] = ok
        fi;
        printf("task %d: moves a value between itself and task %d\n", who(n), who(met));
#if !defined(wake_before_move) && !defined(no_wake)
        push(who(met));
#endif
        met = none
    :: else
    fi
}

inline enlist(n, t) {
    touch(who(n));
    if
    :: sends[n] -> push_back(senders[on[n]], n, t)
    :: else -> push_back(receivers[on[n]], n, t)
    fi
}

inline delist(n) {
    touch(who(n));
    if
    :: sends[n] -> unlink(senders[on[n]], n)
    :: else -> unlink(receivers[on[n]], n)
    fi
}

// Ends the waits of one side.
inline set_closed(list) {
    do
    :: atomic {
            claim_front(list);
            if
            :: met == none -> break
            :: else
            fi
        }
        atomic {
            touch(who(met));
            why[met] = closed;
            push(who(met))
        }
#ifdef close_ends_one
        break
#endif
    od
}

inline close(c) {
    atomic {
        acquire(mutex[c]);
        is_closed[c] = true;
        printf("channel %d: closed\n", c)
    }
    set_closed(receivers[c]);
    set_closed(senders[c]);
    release_channel(c);
    wake_all()
}
