// SPDX-License-Identifier: BSL-1.0
// facing_selects.pml: two selects that face each other: what one sends the other receives. Their context may end.
// capacities: 0 1
// mutants: no_recheck guards_in_given_order look_before_publish
#define WAITERS 2
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        cases[1] = 2;
        run worker(0);
        run worker(1);
        run selector(0, 1, SEND(0, 1), RECEIVE(1));
        run selector(1, 1, SEND(1, 2), RECEIVE(0));
        run own_context()
    }
    tasks_ended == WAITERS;
    check_ledger()
}

ltl ends_at_last { <> (tasks_ended == WAITERS) }
