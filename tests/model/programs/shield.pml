// SPDX-License-Identifier: BSL-1.0
// shield.pml: a task that is cancelled at any moment, and one of whose waits is shielded: that one is not ended.
// capacities: 0 1
// mutants: cancel_ignores_shield look_ignores_shield
#define WAITERS 2
#define CHANNELS 1
#define VALUES 2
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        shields[0] = 1;
        run worker(0);
        run worker(1);
        run sender(0, 0, 1, 2);
        if
        :: run receiver(1, 0, 3, 1)
        :: run receiver(1, 0, 3, 2)
        fi;
        run own_context()
    }
    timeout;
    check_quiet();
    assert(gone[1]);
    close(0);
    tasks_ended == WAITERS;
    check_ledger()
}
