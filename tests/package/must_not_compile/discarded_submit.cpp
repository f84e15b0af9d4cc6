// expect: nodiscard|unused-result
// A pool that was stopped accepts no job: who submits looks.
#include <sluice/worker_pool.hpp>

void submits(sluice::worker_pool& pool) {
    if (!pool.submit([] {})) return;
#if defined(MISUSE)
    pool.submit([] {});
#endif
}
