// SPDX-License-Identifier: BSL-1.0
// waiter.pml: who waits, and who ends the wait? (detail/waiter.hpp: the word, the wake, nodes and lists, W1 to W8)

#define none 255

// The states of a word; a case wins with first_case + its position.
#define idle 0
#define waiting 1
#define canceled 2
#define timed_out 3
#define first_case 4

// What may end a wait besides its cases: both, the first, or none.
#define stoppable 1
#define cancellable 2

// A frame has three nodes: one for each of two cases, and one for a named context.
#define node(w, i) ((w) * 3 + (i))
#define who(n) ((n) / 3)
#define position(n) ((n) % 3)
#define watch 2
#define nodes (WAITERS * 3)

typedef claim_word {
    byte epoch;
    byte endable;
    byte state
}

claim_word word[WAITERS];      // as all see it
claim_word buffered[WAITERS];  // a publish that is still in the store buffer of the waiter's processor, or idle
byte link[WAITERS];            // the next in a wake chain or run queue
bool parked[WAITERS];          // it has handed itself over: only a wake lets it go on (W3)
bool ready[WAITERS];           // woken, and not yet resumed
bool over[WAITERS];            // of a foreign coroutine: a wake does nothing any more
bool gone[WAITERS];            // the task has ended, its block may be freed
bool frame[WAITERS];           // what a wait consists of is there: operations, their nodes and values, the arming lock
bool linked[nodes];
byte turn[nodes];              // the epoch of the node's ticket

// Whoever reads or writes something in a frame says so.
#define touch(w) assert(frame[w])

// ---- locks ----

#define acquire(l) atomic { !l -> l = true }
#define release(l) atomic { assert(l); l = false }
// For a section of a single step: takes the lock and lets it go.
#define is_free(l) (!l)

// ---- the store buffer (detail/asymmetric.hpp) ----

// The store of a publish is seen by all: at any time, before the owner's next compare-and-swap or release of a lock, and
// when anybody passes a barrier through all threads.
inline drain(w) {
    d_step {
        if
        :: buffered[w].state == waiting ->
            word[w].epoch = buffered[w].epoch;
            word[w].endable = buffered[w].endable;
            word[w].state = waiting;
            buffered[w].epoch = 0;
            buffered[w].endable = 0;
            buffered[w].state = idle;
            printf("task %d: its publish is seen by all\n", w)
        :: else
        fi
    }
}

inline heavy_barrier() {
#if !defined(no_barrier) && !defined(NO_BARRIER_CALL)
    atomic {
        drain(0);
#if WAITERS > 1
        drain(1);
#endif
#if WAITERS > 2
        drain(2);
#endif
        printf("canceller: has passed a barrier through all threads\n")
    }
#else
    skip
#endif
}

// ---- the word ----

// Owner: begins the next epoch (W1).
inline prepare(w, t) {
    assert(word[w].state != waiting);
    t = (word[w].epoch + 1) % EPOCHS
}

// Owner: from now on others may claim.
inline publish(w, t, may_end) {
    atomic {
        buffered[w].epoch = t;
        buffered[w].endable = may_end;
        buffered[w].state = waiting;
        printf("task %d: publishes, epoch %d\n", w, t);
#ifdef NO_BARRIER_CALL
        drain(w)  // a seq_cst store
#endif
    }
}

// Ends the wait of the ticket (t, s), unless somebody else did (W2).
inline try_claim(w, t, s, won) {
    d_step {
        assert(!gone[w]);
        won = word[w].epoch == t && word[w].state == waiting;
        if
        :: won ->
            word[w].state = s;
            printf("task %d: claimed with state %d\n", w, s)
        :: else
        fi
    }
}

#ifdef cancel_ignores_shield
#define MAY_END(w, by) true
#else
#define MAY_END(w, by) (word[w].endable & by)
#endif

// The canceller, who knows the waiter but no ticket: ends a wait that may be ended by what `by` stands for. `runs`: at
// that moment it did not wait, so it may be about to (W6).
inline try_cancel(w, by) {
    d_step {
        assert(!gone[w]);
        seen = word[w].epoch;
        won = word[w].state == waiting && MAY_END(w, by);
        runs = word[w].state != waiting
    }
    if
    :: won ->
        try_claim(w, seen, canceled, won);
        assert(!won || !shields[w])
    :: else
    fi
#ifdef looks_twice
    ; runs = word[w].state != waiting
#endif
}

// ---- the wake ----

// Into a run queue, or onto a parker, or to an executor: from here on the waiter is its owner's again (W3).
inline wake(w) {
    d_step {
        assert(word[w].state >= canceled && !ready[w]);
        link[w] = none;  // the run queue's now
        if
        :: !over[w] ->
            assert(parked[w]);
            ready[w] = true;
            printf("task %d: woken\n", w)
        :: else
        fi
    }
}

// The wake chain of a process: `head` and `last`.
inline push(w) {
    atomic {
        link[w] = none;
        if
        :: head == none -> head = w
        :: else -> link[last] = w
        fi;
        last = w
    }
}

inline wake_all() {
    do
    :: head != none ->
#ifdef link_read_after_wake
        last = head;
        wake(last);
        head = link[last]
#else
        atomic {
            last = head;
            head = link[last];
            wake(last)
        }
#endif
    :: else -> break
    od
}

// ---- lists, under the lock that guards them (W4) ----

inline push_back(list, n, t) {
    assert(!linked[n]);
    turn[n] = t;
    linked[n] = true;
    list!n
}

inline unlink(list, n) {
    if
    :: linked[n] ->
        list??eval(n);
        linked[n] = false
    :: else
    fi
}

// Claims the oldest live waiter, drops dead nodes on the way; `met` is the winner's node, unlinked, or none.
inline claim_front(list) {
    met = none;
    do
    :: met == none && len(list) > 0 ->
        list?met;
        linked[met] = false;
        touch(who(met));
        try_claim(who(met), turn[met], first_case + position(met), won);
        if
        :: won -> break
        :: else -> met = none
        fi
#ifdef loser_gives_up
        ; break
#endif
    :: else -> break
    od;
#ifdef winner_keeps_node
    if
    :: met != none -> push_back(list, met, turn[met])
    :: else
    fi
#endif
}

// What every process has for itself: its wake chain, the node it has claimed, and the variables of the code.
#define LOCALS                                      \
    byte head = none, last = none;                  \
    byte met = none;                                \
    byte t, seen, c, low, high, n, i, moving;       \
    byte may_end;                                   \
    bool won, runs, somebody_runs, done, ended, mine
