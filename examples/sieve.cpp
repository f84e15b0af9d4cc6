// SPDX-License-Identifier: BSL-1.0
// sieve.cpp: the first thirty primes by a chain of filters, one task for each prime.
//
// The numbers from 2 on pass through the chain; the first that leaves it is a prime, and gets a filter at the end of
// the chain that takes out its multiples. Notice: nobody says when it is enough. When main has left its end of the
// chain, the last filter's send fails, so it ends and leaves its own input, and so on up to the source, which would
// count for ever.
#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>

#include <fmt/core.h>

#include <utility>

sluice::task<> count_from(int first, sluice::sender<int> out) {
    for (int n = first;; ++n)
        if (!co_await out.async_send(n)) co_return;
}

sluice::task<> without_multiples(int prime, sluice::receiver<int> in, sluice::sender<int> out) {
    while (const auto n = co_await in.async_receive())
        if (*n % prime != 0 && !co_await out.async_send(*n)) co_return;
}

sluice::task<> print_primes(int how_many) {
    auto [numbers, chain] = sluice::make_channel<int>(0);
    sluice::go(count_from, 2, std::move(numbers));
    for (int i = 1; i <= how_many; ++i) {
        const int prime = (co_await chain.async_receive()).value();
        fmt::print("{}{}", prime, i % 10 == 0 ? "\n" : " ");
        auto [out, in] = sluice::make_channel<int>(0);
        sluice::go(without_multiples, prime, std::move(chain), std::move(out));
        chain = std::move(in);
    }
}

int main() { sluice::run(print_primes, 30); }
