// SPDX-License-Identifier: BSL-1.0
// select_closed.pml: a select over two channels, twice, one of which is closed at any moment, and a sender on each.
// capacities: 0 1
// mutants: finish_keeps_nodes wake_before_move
#define WAITERS 3
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        cases[0] = 2;
        run worker(0);
        run worker(1);
        run worker(2);
        run selector(0, 2, RECEIVE(0), RECEIVE(1));
        run sender(1, 0, 1, 1);
        run sender(2, 1, 2, 1);
        run closer(0)
    }
    timeout;
    check_quiet();
    assert(gone[0] && gone[1]);
    close(1);
    tasks_ended == WAITERS;
    check_ledger()
}
