// SPDX-License-Identifier: BSL-1.0
// deadline.pml: a select with a deadline, twice, one sender, and a context that may end.
// capacities: 0 1
// mutants: arm_before_publish look_before_publish fire_claims_late finish_keeps_timer finish_without_arming
#define WAITERS 2
#define CHANNELS 2
#define VALUES 1
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        cases[0] = 2;
        has_deadline[0] = true;
        run worker(0);
        run worker(1);
        run selector(0, 2, RECEIVE(0), RECEIVE(1));
        run sender(1, 0, 1, 1);
        run timers();
        if
        :: run own_context()
        :: true
        fi
    }
    timeout;
    check_quiet();
    assert(gone[0]);
    close(0);
    tasks_ended == WAITERS;
    check_ledger()
}
