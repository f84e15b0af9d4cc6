// SPDX-License-Identifier: BSL-1.0
// forever.pml: a sender and a select over two channels that never stop: values keep arriving, under weak fairness.
// capacities: 0
// fair
// mutants: no_recheck no_wake
#define WAITERS 2
#define CHANNELS 2
#define VALUES 4
#define EPOCHS 2
#include "../waiting.pml"

bool arrived;  // turns over at each arrival

// The values 1 to 4 by turns, each over any channel. When a value is sent again, its last receipt is history.
proctype sender_for_ever(byte w) {
    LOCALS;
    byte v = 1;
    do
    :: atomic {
            received[v] = false;
            sent_ok[v] = false;
            make_frame(w);
            if
            :: set_send(node(w, 0), 0, v)
            :: set_send(node(w, 0), 1, v)
            fi
        }
        await(w);
        atomic {
            check_result(node(w, 0), v);
            leave_frame(w);
            v = v % VALUES + 1
        }
    od
}

proctype selector_for_ever(byte w) {
    LOCALS;
    do
    :: atomic {
            make_frame(w);
            set_receive(node(w, 0), 0);
            set_receive(node(w, 1), 1)
        }
        await_any(w);
        atomic {
            check_select(w, 0, 0);
            fired_[w] = 0;
            leave_frame(w);
            arrived = !arrived
        }
    od
}

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        run worker(0);
        run worker(1);
        run selector_for_ever(0);
        run sender_for_ever(1)
    }
}

ltl values_keep_arriving { ([] <> arrived) && ([] <> !arrived) }
