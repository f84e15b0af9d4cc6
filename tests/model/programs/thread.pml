// SPDX-License-Identifier: BSL-1.0
// thread.pml: a thread that receives with a time limit, twice, a task that sends, and both may be cancelled.
// capacities: 0 1
// mutants: look_before_publish no_recheck loser_goes_on wake_before_move
#define WAITERS 2
#define CHANNELS 1
#define VALUES 1
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        cases[0] = 1;
        run worker(1);
        run thread(0, 0, 2);
        run sender(1, 0, 1, 1);
        run own_context()
    }
    timeout;
    check_quiet();
    close(0);
    tasks_ended == WAITERS;
    check_ledger()
}
