// SPDX-License-Identifier: BSL-1.0
// sluice.hpp: every public header.
#pragma once

#include <sluice/after_func.hpp>
#include <sluice/channel.hpp>
#include <sluice/condition.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/linearizable.hpp>
#include <sluice/mutex.hpp>
#include <sluice/once.hpp>
#include <sluice/options.hpp>
#include <sluice/result_group.hpp>
#include <sluice/resumption.hpp>
#include <sluice/runtime.hpp>
#include <sluice/scope.hpp>
#include <sluice/select.hpp>
#include <sluice/selectable.hpp>
#include <sluice/selector.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/shared_mutex.hpp>
#include <sluice/singleflight.hpp>
#include <sluice/sized_wait_group.hpp>
#include <sluice/status.hpp>
#include <sluice/task.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>
