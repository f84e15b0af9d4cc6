// SPDX-License-Identifier: BSL-1.0
// select_canceled.pml: a select that sends on one channel and receives from another, and its context ends;
// a shield may be up.
// capacities: 0 1
// mutants: look_before_publish no_registration cancel_ignores_shield
#define WAITERS 3
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        shields[1] = 1;
        if
        :: shields[0] = 1
        :: true
        fi;
        cases[0] = 2;
        run worker(0);
        run worker(1);
        run worker(2);
        run selector(0, 1, SEND(0, 1), RECEIVE(1));
        run sender(1, 1, 2, 1);
        run receiver(2, 0, 1, 0);
        run own_context()
    }
    timeout;
    check_quiet();
    close(0);
    close(1);
    tasks_ended == WAITERS;
    check_ledger()
}
