// SPDX-License-Identifier: BSL-1.0
// tasks.pml: the processes that the programs are made of.

// The worker on which task `w` suspends.
proctype worker(byte w) {
    LOCALS;
end:
    do
    :: suspend[w]?short_way -> await_suspend(w, node(w, 0))
    :: suspend[w]?long_way -> arm(w)
    od
}

// Sends the values from `first` on, one after the other.
proctype sender(byte w, to, first, count) {
    LOCALS;
    byte v = first;
    do
    :: v < first + count ->
        atomic {
            make_frame(w);
            set_send(node(w, 0), to, v)
        }
        await(w);
        atomic {
            done = canceled_[w];
            if
            :: done ->
                check_canceled(w);
                check_no_effect(node(w, 0), v)
            :: else -> check_result(node(w, 0), v)
            fi;
            leave_frame(w);
            v++
        }
        if
        :: done -> break
        :: else
        fi
    :: else -> break
    od;
    end_task(w)
}

// Receives so many values, or until the channel is closed. The wait number `shielded` (from 1) is that.
proctype receiver(byte w, from, count, shielded) {
    LOCALS;
    byte number = 1;
    do
    :: number <= count ->
        atomic {
            shields[w] = number == shielded;
            make_frame(w);
            set_receive(node(w, 0), from)
        }
        await(w);
        atomic {
            done = canceled_[w];
            if
            :: done ->
                check_canceled(w);
                check_no_effect(node(w, 0), 0)
            :: else ->
                check_result(node(w, 0), 0);
                done = why[node(w, 0)] == closed
            fi;
            leave_frame(w);
            number++
        }
        if
        :: done -> break
        :: else
        fi
    :: else -> break
    od;
    end_task(w)
}

// A select of two cases, which are written SEND(channel, value) or RECEIVE(channel).
#define SEND(c, v) true, c, v
#define RECEIVE(c) false, c, 0

inline set_case(w, i, is_send, c, v) {
    if
    :: is_send -> set_send(node(w, i), c, v)
    :: else -> set_receive(node(w, i), c)
    fi
}

inline check_select(w, v0, v1) {
    if
    :: fired_[w] == 0 -> check_result(node(w, 0), v0)
    :: else -> check_no_effect(node(w, 0), v0)
    fi;
    if
    :: fired_[w] == 1 -> check_result(node(w, 1), v1)
    :: else -> check_no_effect(node(w, 1), v1)
    fi;
    if
    :: fired_[w] == watch -> assert(names[w] && context_ended)
    :: fired_[w] == timed_out_position -> assert(has_deadline[w])
    :: fired_[w] == canceled_position -> check_canceled(w)
    :: else -> assert(fired_[w] < cases[w])
    fi
}

// A select, so many times, until it is cancelled or has nothing more to wait for.
proctype selector(byte w, rounds; bool send0; byte c0, v0; bool send1; byte c1, v1) {
    LOCALS;
    do
    :: rounds > 0 ->
        atomic {
            make_frame(w);
            set_case(w, 0, send0, c0, v0);
            set_case(w, 1, send1, c1, v1)
        }
        await_any(w);
        atomic {
            check_select(w, v0, v1);
            done = fired_[w] == canceled_position;
            fired_[w] = 0;
            leave_frame(w);
            rounds--
        }
        if
        :: done -> break
        :: else
        fi
    :: else -> break
    od;
    end_task(w)
}

// A select of a coroutine of another library. When its frame goes, what it was given goes with it.
proctype foreign_selector(byte w; bool send0; byte c0, v0; bool send1; byte c1, v1) {
    LOCALS;
    atomic {
        make_frame(w);
        set_case(w, 0, send0, c0, v0);
        set_case(w, 1, send1, c1, v1)
    }
    await_or_go(w);
    atomic {
        if
        :: fired_[w] != canceled_position -> check_select(w, v0, v1)
        :: else ->
            assert(over[w]);
            check_no_effect(node(w, 0), v0);
            check_no_effect(node(w, 1), v1)
        fi;
        fired_[w] = 0;
        leave_frame(w)
    }
    end_task(w)
}

// A thread that receives with a time limit.
proctype thread(byte w, from, rounds) {
    LOCALS;
    do
    :: rounds > 0 ->
        atomic {
            make_frame(w);
            set_receive(node(w, 0), from)
        }
        block_on(w, true);
        atomic {
            if
            :: fired_[w] == 0 -> check_result(node(w, 0), 0)
            :: else -> check_no_effect(node(w, 0), 0)
            fi;
            done = fired_[w] == canceled_position;
            if
            :: done -> check_canceled(w)
            :: else
            fi;
            fired_[w] = 0;
            leave_frame(w);
            rounds--
        }
        if
        :: done -> break
        :: else
        fi
    :: else -> break
    od;
    end_task(w)
}

proctype timers() {
    LOCALS;
end:
    do
    :: fire(0)
#if WAITERS > 1
    :: fire(1)
#endif
#if WAITERS > 2
    :: fire(2)
#endif
    od
}

// Instead of a task: it has ended before.
inline nobody(w) {
    gone[w] = true;
    tasks_ended++
}

// ---- who else can end a wait ----

// The context of the home ends; nobody names it.
proctype own_context() {
    LOCALS;
    cancel_tasks(cancellable);
    wake_all()
}

// The context that somebody names.
proctype named_context() {
    LOCALS;
    cancel()
}

proctype end_of_run() {
    LOCALS;
    run_ended = true;
    cancel_tasks(stoppable);
    wake_all()
}

proctype handle(byte w) {
    LOCALS;
    request_stop(w)
}

proctype closer(byte ch) {
    LOCALS;
    close(ch)
}

// ---- memory ----

proctype store_buffers() {
end:
    do
    :: atomic { buffered[0].state == waiting -> drain(0) }
#if WAITERS > 1
    :: atomic { buffered[1].state == waiting -> drain(1) }
#endif
#if WAITERS > 2
    :: atomic { buffered[2].state == waiting -> drain(2) }
#endif
    od
}
