// SPDX-License-Identifier: BSL-1.0
// ledger.pml: did every operation do what it says, and is every value in one place?

bool sent_ok[VALUES + 1];
bool received[VALUES + 1];

inline set_send(n, c, v) {
    sends[n] = true;
    on[n] = c;
    value[n] = v;
    why[n] = full
}

inline set_receive(n, c) {
    sends[n] = false;
    on[n] = c;
    value[n] = 0;
    why[n] = full
}

// An operation that took effect. The value it has received leaves the frame.
inline check_result(n, v) {
    touch(who(n));
    if
    :: sends[n] && why[n] == ok ->
        assert(value[n] == 0);
        sent_ok[v] = true;
        printf("task %d: has sent %d\n", who(n), v)
    :: sends[n] && why[n] != ok -> assert(why[n] == closed && value[n] == v && is_closed[on[n]])
    :: !sends[n] && value[n] != 0 ->
        assert(!received[value[n]]);
        received[value[n]] = true;
        printf("task %d: has received %d\n", who(n), value[n])
    :: !sends[n] && value[n] == 0 -> assert(why[n] == closed && is_closed[on[n]])
    fi
}

// An operation that did not take effect: the value is where it was.
inline check_no_effect(n, v) {
    touch(who(n));
    assert(why[n] == full && value[n] == v)
}

// It ended as canceled: something asked for it, and may end it so.
inline check_canceled(w) {
#ifdef NAMES_OWN
    assert(!shields[w] && (run_ended || stop_requested[w]))
#else
    assert(!shields[w] && (home_ended || stop_requested[w]))
#endif
}

hidden byte entry, places, channel;

// In the end: what was sent was received once or is in a ring, and nothing else is anywhere.
inline check_ledger() {
    d_step {
        entry = 1;
        do
        :: entry <= VALUES ->
            places = received[entry];
            channel = 0;
            do
            :: channel < CHANNELS ->
                if
                :: ring[channel] == entry -> places++
                :: else
                fi;
                channel++
            :: else -> break
            od;
            assert(places == sent_ok[entry]);
            entry++
        :: else -> break
        od
    }
}

// When nothing moves any more: who waits must wait.
inline check_quiet() {
    d_step {
        entry = 0;
        do
        :: entry < WAITERS ->
            assert(gone[entry] || parked[entry] && word[entry].state == waiting);
            assert(gone[entry] || !must_stop(entry) && !in_heap[entry]);
            entry++
        :: else -> break
        od;
        channel = 0;
        do
        :: channel < CHANNELS ->
            assert(!mutex[channel]);
            check_channel(channel);
            channel++
        :: else -> break
        od
    }
}
