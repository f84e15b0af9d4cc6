// SPDX-License-Identifier: BSL-1.0
// close.pml: a channel that is closed at any moment, under a sender and two receivers.
// capacities: 0 1
// mutants: close_ends_one link_read_after_wake
#define WAITERS 3
#define CHANNELS 1
#define VALUES 2
#include "../waiting.pml"

init {
    atomic {
        run store_buffers();
        run worker(0);
        run worker(1);
        run worker(2);
        run sender(0, 0, 1, 2);
        run receiver(1, 0, 3, 0);
        run receiver(2, 0, 3, 0);
        run closer(0)
    }
    tasks_ended == WAITERS;
    check_ledger()
}
