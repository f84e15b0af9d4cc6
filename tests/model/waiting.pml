// SPDX-License-Identifier: BSL-1.0
// waiting.pml: the protocol of waiting as a whole; the programs include this file.

#ifndef CAPACITY
#define CAPACITY 0
#endif

#ifndef EPOCHS
#define EPOCHS 4  // 43 bits in truth: no ticket here is so many waits late
#endif

byte tasks_ended;

#include "waiter.pml"
#include "channel_core.pml"
#include "registry.pml"
#include "context_tree.pml"
#include "timer_queue.pml"
#include "await.pml"
#include "multi_wait.pml"
#include "ledger.pml"
#include "tasks.pml"
