// SPDX-License-Identifier: BSL-1.0
// sluice.hpp: every public header.
#pragma once

#include "channel.hpp"
#include "context.hpp"
#include "options.hpp"
#include "runtime.hpp"
#include "select.hpp"
#include "semaphore.hpp"
#include "sized_wait_group.hpp"
#include "status.hpp"
#include "task.hpp"
#include "timer.hpp"
#include "wait_group.hpp"
