// SPDX-License-Identifier: BSL-1.0
// pair.pml: two values from one task to another, and their context may end at any moment.
// capacities: 0 1
// mutants: look_before_publish no_recheck wake_before_move looks_twice no_barrier no_second_look claim_before_flag
// mutants: weak_flag release_before_look loser_goes_on leave_without_guard winner_keeps_node
#define WAITERS 2
#define CHANNELS 1
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        run worker(0);
        run worker(1);
        run sender(0, 0, 1, 2);
        run receiver(1, 0, 2, 0);
        run own_context()
    }
    tasks_ended == WAITERS;
    check_ledger()
}

ltl ends_at_last { [] (home_ended -> <> (tasks_ended == WAITERS)) }
