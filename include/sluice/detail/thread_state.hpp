// SPDX-License-Identifier: BSL-1.0
// thread_state.hpp: what does this thread run, and with what does it wait?
//
// `this_thread_state()` holds what is true only while a thread runs something of ours: the task or callable, the
// worker whose queues it serves, the runtime it works for. A thread outside of any runtime waits with a record.
// Records are immortal and recycled: a waker uses a parker's address after the owner has gone on (parker.hpp), and a
// blocking operation in another thread-local's destructor still finds one.
#pragma once

#include "lock.hpp"
#include "waiter.hpp"

namespace sluice::detail {

class task_state;
class worker;
class runtime_core;
class simulated;
class home;

struct thread_record {
    class waiter waiter{wake_by::unparking};
    class parker parker;
    thread_record* next_free = nullptr;

    thread_record() noexcept { waiter.park_on(&parker); }
};

struct thread_state {
    task_state* task = nullptr;       // the task or callable that runs on this thread now
    class worker* worker = nullptr;   // whose queues this thread serves; null after it gave the worker away
    runtime_core* runtime = nullptr;  // the runtime this thread was started by
    thread_record* record = nullptr;  // made at the first blocking wait
    simulated* simulation = nullptr;  // in which this thread runs now
    home* starts_in = nullptr;   // where go() of a thread outside of any task starts; null: in the process's runtime
    bool record_closed = false;  // this thread's thread-locals are being destroyed
};

inline constinit thread_local thread_state the_thread_state{};

// Not inlined: a coroutine that is resumed by another thread must not see a cached address.
SLUICE_NOINLINE inline thread_state& this_thread_state() noexcept { return the_thread_state; }

class thread_records {
public:
    static thread_record& of(thread_state& me) {
        if (!me.record) {
            me.record = take();
            if (!me.record_closed) {
                static thread_local closer at_thread_end;
                static_cast<void>(at_thread_end);
            }
        }
        return *me.record;
    }

    /// After a blocking wait: a record taken while the thread ends is given back at once.
    static void settle(thread_state& me) noexcept {
        if (me.record_closed) give_back(me);
    }

private:
    struct closer {
        ~closer() {
            auto& me = this_thread_state();
            me.record_closed = true;
            give_back(me);
        }
    };
    struct depot {
        lock mutex;
        thread_record* free = nullptr;
    };
    static depot& all() noexcept {
        static auto* const d = new depot;  // immortal, like the records
        return *d;
    }
    static thread_record* take() {
        {
            auto& d = all();
            const hold guard{d.mutex};
            if (auto* r = d.free) {
                d.free = r->next_free;
                return r;
            }
        }
        return new thread_record;
    }
    static void give_back(thread_state& me) noexcept {
        if (!me.record) return;
        auto& d = all();
        const hold guard{d.mutex};
        me.record->next_free = d.free;
        d.free = std::exchange(me.record, nullptr);
    }
};

}  // namespace sluice::detail
