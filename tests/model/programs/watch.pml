// SPDX-License-Identifier: BSL-1.0
// watch.pml: a select that names a context, a sender,the named context ends, and perhaps the surrounding one.
// capacities: 0 1
// mutants: arm_before_publish watch_without_look look_before_publish finish_keeps_watch
#define WAITERS 2
#define CHANNELS 2
#define VALUES 1
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        cases[0] = 2;
        names[0] = true;
        run worker(0);
        run worker(1);
        run selector(0, 1, RECEIVE(0), RECEIVE(1));
        if
        :: run sender(1, 0, 1, 1)
        :: nobody(1)
        fi;
        run named_context();
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
