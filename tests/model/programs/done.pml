// SPDX-License-Identifier: BSL-1.0
// done.pml: a wait without any channel: for a named context, a deadline, and whatever ends the task.
// capacities: 0
// mutants: finish_without_arming arm_before_publish look_before_publish fire_claims_late
#define WAITERS 1
#define CHANNELS 1
#define VALUES 1
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        run worker(0);
        run selector(0, 2, RECEIVE(0), RECEIVE(0));
        // One of them at least, and which ones do not end it is left open.
        if
        :: names[0] = true; run named_context()
        :: has_deadline[0] = true; run timers()
        :: run own_context()
        :: run handle(0)
        :: names[0] = true; has_deadline[0] = true; run timers(); run named_context(); run own_context()
        fi
    }
    tasks_ended == WAITERS
}
