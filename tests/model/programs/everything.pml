// SPDX-License-Identifier: BSL-1.0
// everything.pml: a select that sends and receives, names a context and has a deadline, while a sender sends and
// the surrounding context ends.
// capacities: 0
// mutants: look_before_publish no_recheck wake_before_move
#define WAITERS 2
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        cases[0] = 2;
        names[0] = true;
        has_deadline[0] = true;
        run worker(0);
        run worker(1);
        run selector(0, 1, RECEIVE(0), SEND(1, 1));
        run sender(1, 0, 2, 1);
        run timers();
        run named_context();
        run own_context()
    }
    tasks_ended == WAITERS;
    check_ledger()
}
