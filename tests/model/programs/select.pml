// SPDX-License-Identifier: BSL-1.0
// select.pml: a select over two channels, twice, and a sender on each: both values arrive.
// capacities: 0 1
// mutants: no_recheck wake_before_move finish_keeps_nodes
#define WAITERS 3
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        run worker(0);
        run worker(1);
        run worker(2);
        run selector(0, 2, RECEIVE(0), RECEIVE(1));
        run sender(1, 0, 1, 1);
        run sender(2, 1, 2, 1)
    }
    tasks_ended == WAITERS;
    check_ledger()
}

ltl delivered_at_last { <> (received[1] && received[2]) }
