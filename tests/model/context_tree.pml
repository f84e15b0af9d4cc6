// SPDX-License-Identifier: BSL-1.0
// context_tree.pml: what ends when a context ends? (detail/context_tree.hpp: cancel, begin, end_one)

bool context_mutex;
chan watchers = [WAITERS] of { byte };

// The context that waits may name ends.
inline cancel() {
    atomic {
        context_ended = true;  // begin()
        printf("canceller: the context ends\n")
    }
    acquire(context_mutex);
    do
    :: atomic {
            claim_front(watchers);
            if
            :: met == none -> break
            :: else -> push(who(met))
            fi
        }
    od;
#ifdef NAMES_OWN
    cancel_tasks(cancellable);
#endif
    release(context_mutex);
    wake_all()
}
