// SPDX-License-Identifier: BSL-1.0
// service_process.hpp: a test's view of a service in a process of its own: where it listens, what it prints, how it ends.
#pragma once

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

/// A service that prints where it listens, as `listening on 127.0.0.1:8080`. It is killed if `finish` is not called.
class service_process {
public:
    explicit service_process(std::vector<std::string> command) {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
        std::vector<char*> arguments;
        for (auto& each : command) arguments.push_back(each.data());
        arguments.push_back(nullptr);
        if (posix_spawn(&id_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) std::abort();
        posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        out_ = ends[0];
        // What a sanitizer or the runtime has to say may come before.
        if (!read_until("listening on ")) return;
        const auto at = output.find("listening on ");
        while (output.find('\n', at) == std::string::npos && read_some()) {}
        port = static_cast<unsigned short>(std::atoi(output.c_str() + output.find(':', at) + 1));
    }
    ~service_process() {
        if (id_ == 0) return;
        signal(SIGKILL);
        finish();
    }
    service_process(const service_process&) = delete;
    service_process& operator=(const service_process&) = delete;

    void signal(int number) const {
        // The thread sanitizer lets a thread handle a signal only in a call that it knows. The main thread, which the system
        // would choose, waits in none; that of the server does.
        if (is_checked_for_races && number != SIGKILL) tgkill(id_, thread_named("http"), number);
        else kill(id_, number);
    }

    /// Reads until it has printed that. False: it never did.
    bool read_until(const std::string& text) {
        while (output.find(text) == std::string::npos)
            if (!read_some()) return false;
        return true;
    }

    /// Waits for its end. Gives its exit code, or the negative number of the signal that ended it.
    int finish() {
        while (read_some()) {}
        ::close(out_);
        int status = 0;
        while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {}
        id_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    unsigned short port = 0;  // 0: it did not start
    std::string output;       // its errors, too

private:
#if defined(__SANITIZE_THREAD__)
    static constexpr bool is_checked_for_races = true;
#elif defined(__has_feature)
    static constexpr bool is_checked_for_races = __has_feature(thread_sanitizer);
#else
    static constexpr bool is_checked_for_races = false;
#endif
    pid_t thread_named(const std::string& name) const {
        const std::string threads = "/proc/" + std::to_string(id_) + "/task";
        for (const auto& each : std::filesystem::directory_iterator{threads}) {
            std::ifstream file{each.path() / "comm"};
            std::string called;
            if (std::getline(file, called) && called == name) return std::stoi(each.path().filename());
        }
        return id_;
    }
    bool read_some() {
        std::array<char, 4096> bytes;
        ssize_t size = 0;
        do size = read(out_, bytes.data(), bytes.size());
        while (size < 0 && errno == EINTR);
        if (size <= 0) return false;
        output.append(bytes.data(), static_cast<std::size_t>(size));
        return true;
    }

    pid_t id_ = 0;
    int out_ = -1;
};
