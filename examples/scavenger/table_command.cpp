// SPDX-License-Identifier: BSL-1.0
#include "table_command.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "duration.hpp"
#include "generate.hpp"
#include "run_command.hpp"
#include "sqlite.hpp"
#include "store_error.hpp"

namespace scavenger {
namespace {

namespace fs = std::filesystem;

struct setting {
    std::size_t deleters;
    std::size_t readers;
};
constexpr std::array<setting, 7> settings{{{1, 1}, {10, 10}, {20, 10}, {50, 20}, {100, 100}, {100, 50}, {100, 100}}};

constexpr int cache_kib = 2048;
constexpr double mib = 1024.0 * 1024.0;

/// A folder that is gone when we are.
class temporary_folder {
public:
    temporary_folder() {
        std::string name = (fs::temp_directory_path() / "scavenger-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr)
            throw std::system_error{errno, std::generic_category(), "cannot make a folder " + name};
        path_ = name;
    }
    ~temporary_folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

std::uint64_t count_rows(database& db, const std::string& table) {
    statement rows{db, fmt::format("SELECT count(*) FROM {}", sql_name(table))};
    rows.step();
    return static_cast<std::uint64_t>(rows.integer(0));
}

/// Leaves the first `rows` rows in the order of their keys.
void cut(database& db, const std::string& table, std::uint64_t rows) {
    db.execute(fmt::format("DELETE FROM {0} WHERE (WorkerId, StartTime) > (SELECT WorkerId, StartTime FROM {0} "
                           "ORDER BY WorkerId, StartTime LIMIT 1 OFFSET {1})",
                           sql_name(table), rows - 1));
}

/// Calls `work` in a child process and returns what it wrote. So its peak memory is its own.
template <class Work>
std::string in_a_child(Work work) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        close(ends[0]);
        const std::string answer = work();
        const bool written = write(ends[1], answer.data(), answer.size()) == static_cast<ssize_t>(answer.size());
        _exit(written ? 0 : 1);
    }
    close(ends[1]);
    std::string answer;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 1; n != 0;) {
        n = read(ends[0], buffer.data(), buffer.size());
        if (n > 0) answer.append(buffer.data(), static_cast<std::size_t>(n));
        if (n < 0 && errno != EINTR) break;
    }
    close(ends[0]);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
    return answer;
}

/// One run's summary as JSON text, or `error` in its place.
std::string measured(const run_settings& asked) {
    try {
        console screen;
        observer silent;
        return to_json(run_once(asked, screen, silent)).dump();
    } catch (const std::exception& error) {
        return nlohmann::json{{"error", error.what()}, {"exit_code", 1}}.dump();
    }
}

run_settings settings_for(const table_settings& asked, const setting& which, const std::string& file) {
    run_settings result;
    result.file = file;
    result.table = asked.table;
    result.segments = which.readers;
    result.deleters = which.deleters;
    result.page_size = asked.page_size;
    result.age_hours = asked.age_hours;
    result.now = asked.now;
    result.latency = asked.latency;
    result.deadline = std::chrono::hours{24};
    return result;
}

/// Makes a copy of the data to run on; `VACUUM INTO` sees what is still in the source's log.
void copy_table(const std::string& source, const std::string& target) {
    fs::remove(target);
    database db{source, open_mode::read_only, cache_kib};
    statement copy{db, "VACUUM INTO ?1"};
    copy.bind(1, target);
    copy.run();
}

}  // namespace

int table_command(const table_settings& asked) {
    const temporary_folder folder;
    const auto source = asked.file.empty() ? folder.file("source.db") : asked.file;
    if (asked.file.empty())
        generate_table(source, asked.table, record_source{asked.items, asked.keep, asked.seed, asked.now});
    std::uint64_t rows = 0;
    {
        database db{source, open_mode::read_only, cache_kib};
        if (!has_table(db, asked.table))
            throw store_error{error_class::table_not_found,
                              fmt::format("there is no table {:?} in {}", asked.table, source)};
        rows = count_rows(db, asked.table);
    }
    const auto sampled = std::max<std::uint64_t>(1, rows / asked.sample);
    const double scale =
        static_cast<double>(rows) / static_cast<double>(std::max<std::uint64_t>(1, std::min(sampled, rows)));

    fmt::print("{} items, {} a request; 1/1 runs on the first {} items and its time is scaled by {:.1f}\n\n",
               grouped(rows), format_duration(asked.latency), grouped(sampled), scale);
    fmt::print("deleters  readers          time  speed-up   peak memory\n");
    std::fflush(stdout);
    // An interrupt is for the child, which ends early and says so; our folder must be removed afterwards.
    std::signal(SIGINT, SIG_IGN);
    double sequential = 0;
    for (const auto& which : settings) {
        const auto file = folder.file("run.db");
        copy_table(source, file);
        const bool alone = which.deleters == 1 && which.readers == 1;
        if (alone && rows > 0) {
            database db{file, open_mode::must_exist, cache_kib};
            cut(db, asked.table, sampled);
        }
        const auto answer = nlohmann::json::parse(
            in_a_child([&] { return measured(settings_for(asked, which, file)); }), nullptr, false);
        if (answer.is_discarded()) throw std::runtime_error{"a run ended without an answer"};
        if (const int code = answer.at("exit_code"); code != 0) {
            fmt::print("{:>8}  {:>7}  {}\n", which.deleters, which.readers, answer.value("error", "stopped early"));
            return code;
        }
        const double seconds = answer.at("seconds").get<double>() * (alone ? scale : 1);
        if (alone) sequential = seconds;
        const auto time = std::chrono::round<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
        fmt::print("{:>8}  {:>7}  {:>12}  {:>8.1f}  {:>7.1f} MiB\n", which.deleters, which.readers,
                   format_duration(time), sequential / seconds, answer.at("peak_memory_bytes").get<double>() / mib);
        std::fflush(stdout);
    }
    return 0;
}

}  // namespace scavenger
