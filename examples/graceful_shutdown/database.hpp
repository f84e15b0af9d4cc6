// SPDX-License-Identifier: BSL-1.0
// database.hpp: how do many tasks share a few connections to a database, and how are those closed?
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/task.hpp>

struct sqlite3;

struct order {
    std::string id;
    std::string item;
    int price = 0;
};

/// A connection. Every call blocks; one thread at a time. Errors are `std::runtime_error`.
class database {
public:
    /// Makes the tables if they are not there.
    explicit database(const std::string& file);

    /// Nothing if it is not for sale.
    std::optional<int> price_of(const std::string& item);
    /// Adds them all, in one transaction.
    void add(const std::vector<order>& orders);

private:
    struct closer {
        void operator()(sqlite3* handle) const;
    };
    void execute(const char* sql);

    std::unique_ptr<sqlite3, closer> handle_;
};

/// Connections for whoever comes first. It is a channel that holds those that nobody uses.
class connection_pool {
    using connection = std::unique_ptr<database>;

public:
    /// Goes back into its pool by itself.
    class lease {
    public:
        lease(connection_pool& of, connection taken) noexcept : of_{&of}, taken_{std::move(taken)} {}
        lease(lease&&) noexcept = default;
        lease& operator=(lease&&) = delete;
        ~lease() { give_back(); }
        void give_back() {
            if (taken_) static_cast<void>(of_->idle_.try_send(std::move(taken_)));  // there is room for all
        }
        database& operator*() const noexcept { return *taken_; }

    private:
        connection_pool* of_;
        connection taken_;
    };

    /// Opens them all, which blocks.
    connection_pool(const std::string& file, std::size_t connections);

    sluice::task<lease> take();
    /// Closes each of them as soon as nobody uses it. Gives how many that were.
    sluice::task<std::size_t> close();

private:
    const std::size_t size_;
    const sluice::channel<connection> idle_;
};
