// SPDX-License-Identifier: BSL-1.0
// abandoned.pml: a coroutine of another library waits in a select with a deadline and a named context, and its frame may
// go at any moment (detail/foreign_awaiter.hpp, F3).
// capacities: 0 1
// mutants: move_after_release abandon_spares_winner finish_without_arming
#define WAITERS 2
#define CHANNELS 2
#define VALUES 2
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        cases[0] = 2;
        shields[0] = 1;  // it has no surrounding context
        names[0] = true;
        has_deadline[0] = true;
        run worker(0);
        run worker(1);
        run foreign_selector(0, RECEIVE(0), SEND(1, 1));
        run sender(1, 0, 2, 1);
        run timers();
        run named_context()
    }
    timeout;
    check_quiet();
    assert(gone[0]);
    close(0);
    tasks_ended == WAITERS;
    check_ledger()
}
