// expect: name it first, then pass the name
// only: GNU
// g++ destroys a temporary lambda in an awaited expression twice: a job with captures that need destruction is named.
#include <sluice/worker_pool.hpp>

#include <string>

sluice::task<> submits(sluice::worker_pool& pool, std::string text) {
    const auto job = [text] { return text.size(); };
    static_cast<void>(co_await pool.async_submit(job));
#if defined(MISUSE)
    static_cast<void>(co_await pool.async_submit([text] { return text.size(); }));
#endif
}
