// SPDX-License-Identifier: BSL-1.0
#include "http_request.hpp"

#include <algorithm>
#include <optional>

namespace http {
namespace {

constexpr std::string_view line_end = "\r\n";

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_of_token(char c) {
    return is_alphanumeric(c) || std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}
bool is_visible(char c) { return c > ' ' && c < '\x7f'; }
bool is_of_value(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); }

void expect(bool holds, const char* otherwise, int status = 400) {
    if (!holds) throw bad_request{status, otherwise};
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool same_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// The part before `mark`, which is taken from `text` with it; all of it if there is no mark.
std::string_view take_until(std::string_view& text, std::string_view mark) {
    const auto end = text.find(mark);
    const auto part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + mark.size());
    return part;
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char small = lower(c);
    expect(small >= 'a' && small <= 'f', "a % is followed by two hexadecimal digits");
    return small - 'a' + 10;
}

std::string decoded(std::string_view text, bool plus_is_space) {
    std::string result;
    for (; !text.empty(); text.remove_prefix(1)) {
        if (text[0] == '%') {
            expect(text.size() > 2, "a % is followed by two hexadecimal digits");
            result += static_cast<char>(digit_of(text[1]) * 16 + digit_of(text[2]));
            text.remove_prefix(2);
        } else {
            result += text[0] == '+' && plus_is_space ? ' ' : text[0];
        }
    }
    return result;
}

void read_target(std::string_view target, request& into) {
    expect(target.starts_with('/') && std::ranges::all_of(target, is_visible), "the target is a path");
    expect(target.find('#') == std::string_view::npos, "a target has no fragment");
    into.path = decoded(take_until(target, "?"), false);
    while (!target.empty()) {
        std::string_view value = take_until(target, "&");
        if (value.empty()) continue;
        std::string name = decoded(take_until(value, "="), true);
        into.parameters.emplace_back(std::move(name), decoded(value, true));
    }
}

/// The line `GET /path?query HTTP/1.1`. Gives whether it is of version 1.1.
bool read_request_line(std::string_view line, request& into) {
    const auto method = take_until(line, " ");
    expect(!method.empty() && std::ranges::all_of(method, is_of_token), "a request begins with its method");
    into.method = method;
    const auto target = take_until(line, " ");
    expect(line.size() == 8 && line.starts_with("HTTP/"), "a request line has a method, a target and a version");
    expect(line == "HTTP/1.1" || line == "HTTP/1.0", "this server speaks HTTP/1.1", 505);
    read_target(target, into);
    return line == "HTTP/1.1";
}

}  // namespace

const std::string* request::parameter(std::string_view name) const {
    const auto at = std::ranges::find(parameters, name, &std::pair<std::string, std::string>::first);
    return at == parameters.end() ? nullptr : &at->second;
}

request read_head(std::string_view head) {
    request result;
    const bool is_new = read_request_line(take_until(head, line_end), result);
    result.keeps_alive = is_new;
    bool has_host = false;
    while (true) {
        const std::string_view line = take_until(head, line_end);
        if (line.empty()) break;
        const auto colon = line.find(':');
        expect(colon != std::string_view::npos && colon > 0, "a field has a name and a colon");
        const auto name = line.substr(0, colon);
        const auto value = trimmed(line.substr(colon + 1));
        expect(std::ranges::all_of(name, is_of_token), "the name of a field is a token, right before its colon");
        expect(std::ranges::all_of(value, is_of_value), "a field is of visible characters");
        if (same_name(name, "host")) {
            expect(!has_host, "a request names its host once");
            has_host = true;
        } else if (same_name(name, "transfer-encoding")) {
            expect(false, "this server takes no bodies", 501);
        } else if (same_name(name, "content-length")) {
            expect(value == "0", "this server takes no bodies", 413);
        } else if (same_name(name, "expect")) {
            expect(false, "this server meets no expectations", 417);
        } else if (same_name(name, "connection")) {
            for (std::string_view options = value; !options.empty();)
                if (same_name(trimmed(take_until(options, ",")), "close")) result.keeps_alive = false;
        }
    }
    expect(head.empty(), "a head ends with its empty line");
    expect(has_host || !is_new, "a request names its host");
    return result;
}

}  // namespace http
