// SPDX-License-Identifier: BSL-1.0
// same_channel.pml: two selects that both send and receive on one channel: they pair with each other, never with
// themselves. Their context may end.
// capacities: 0 1
// mutants: no_recheck
#define WAITERS 2
#define CHANNELS 1
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        cases[1] = 2;
        run worker(0);
        run worker(1);
        run selector(0, 1, SEND(0, 1), RECEIVE(0));
        run selector(1, 1, RECEIVE(0), SEND(0, 2));
        run own_context()
    }
    tasks_ended == WAITERS;
    check_ledger()
}

ltl ends_at_last { <> (tasks_ended == WAITERS) }
