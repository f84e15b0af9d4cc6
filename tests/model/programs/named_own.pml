// SPDX-License-Identifier: BSL-1.0
// named_own.pml: a select that names the task's own context: its end is told by value; a stop of the task itself and the
// end of the run end the wait too.
// capacities: 0
// mutants: names_own_context look_before_publish watch_without_look
#define WAITERS 1
#define CHANNELS 2
#define VALUES 1
#define NAMES_OWN
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        names[0] = true;
        run worker(0);
        run selector(0, 1, RECEIVE(0), RECEIVE(1));
        if
        :: run named_context()
        :: run handle(0)
        :: run end_of_run()
        :: run named_context(); run end_of_run()
        :: run named_context(); run handle(0)
        fi
    }
    tasks_ended == WAITERS
}
