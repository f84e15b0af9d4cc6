// SPDX-License-Identifier: BSL-1.0
// http_request.hpp: what does a client ask for, and is it well said?
//
// A small and strict reader of heads of requests by RFC 9112. What it does not know it refuses: bodies, folded lines,
// lines that do not end with CR LF, targets that are not paths, two different lengths. Nothing is guessed.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

struct request {
    std::string method;
    std::string path;                                             // decoded, without the query
    std::vector<std::pair<std::string, std::string>> parameters;  // of the query, decoded, in order
    bool keeps_alive = true;

    /// The first parameter of that name; null if there is none.
    const std::string* parameter(std::string_view name) const;
};

/// What was sent is no request that we take: answer with this status, and close the connection.
class bad_request : public std::runtime_error {
public:
    bad_request(int status, const char* why) : std::runtime_error{why}, status_{status} {}
    int status() const noexcept { return status_; }

private:
    int status_;
};

/// Reads a head: all bytes up to the empty line and with it. Throws `bad_request`.
request read_head(std::string_view head);

}  // namespace http
