// SPDX-License-Identifier: BSL-1.0
#include "models.hpp"

#include <numeric>

namespace cqrs {
namespace {

template <class... F>
struct overloaded : F... {
    using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

}  // namespace

sluice::task<> occupancy::apply(const event& e) {
    std::visit(overloaded{[this](const room_booked& b) {
                              stays_.emplace(b.booking, b);
                              for (int n = 0; n < b.nights; ++n) guests_[{b.room, b.first_night + n}] = b.guest;
                          },
                          [this](const booking_cancelled& c) {
                              const auto stay = stays_.extract(c.booking);
                              if (stay.empty()) return;
                              const room_booked& b = stay.mapped();
                              for (int n = 0; n < b.nights; ++n) guests_.erase({b.room, b.first_night + n});
                          },
                          [](const invoice_issued&) {}},
               e);
    co_return;
}

std::optional<std::string> occupancy::guest(int room, int night) const {
    const auto found = guests_.find({room, night});
    return found == guests_.end() ? std::nullopt : std::optional{found->second};
}

sluice::task<> turnover::apply(const event& e) {
    std::visit(overloaded{[this](const room_booked& b) {
                              booked += b.price;
                              open[b.booking] = b.price;
                          },
                          [this](const booking_cancelled& c) {
                              cancelled += open[c.booking];
                              open.erase(c.booking);
                          },
                          [this](const invoice_issued& i) {
                              paid += i.amount;
                              open.erase(i.booking);
                          }},
               e);
    co_return;
}

int turnover::still_open() const {
    return std::accumulate(open.begin(), open.end(), 0, [](int sum, const auto& one) { return sum + one.second; });
}

}  // namespace cqrs
