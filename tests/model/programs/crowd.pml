// SPDX-License-Identifier: BSL-1.0
// crowd.pml: two senders, one of which may be cancelled by its handle at any moment, and one receiver.
// capacities: 0 1
// mutants: loser_gives_up look_before_publish claim_before_flag
#define WAITERS 3
#define CHANNELS 1
#define VALUES 2
#include "../waiting.pml"

init {
    LOCALS;
    atomic {
        run store_buffers();
        run worker(0);
        run worker(1);
        run worker(2);
        run sender(0, 0, 1, 1);
        run sender(1, 0, 2, 1);
        run receiver(2, 0, 1, 0);
        run handle(0)
    }
    timeout;
    check_quiet();
    assert(received[1] || received[2]);
    close(0);
    tasks_ended == WAITERS;
    check_ledger()
}
