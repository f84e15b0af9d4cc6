// SPDX-License-Identifier: BSL-1.0
// child_process.hpp: what does another program print, and how does it end?
#pragma once

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace scavenger_test {

/// A started program with its output and errors in pipes. `finish` must be called once.
class child_process {
public:
    /// `variables` are added to our environment, as NAME=value.
    explicit child_process(std::vector<std::string> command, std::vector<std::string> variables = {}) {
        if (pipe2(out_.data(), O_CLOEXEC) != 0 || pipe2(err_.data(), O_CLOEXEC) != 0) std::abort();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, out_[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, err_[1], STDERR_FILENO);

        std::vector<char*> arguments;
        for (auto& each : command) arguments.push_back(each.data());
        arguments.push_back(nullptr);
        std::vector<char*> all;
        for (auto& each : variables) all.push_back(each.data());  // the first of two equal names counts
        for (char** each = environ; *each != nullptr; ++each) all.push_back(*each);
        all.push_back(nullptr);
        if (posix_spawn(&id_, arguments[0], &actions, nullptr, arguments.data(), all.data()) != 0) std::abort();
        posix_spawn_file_actions_destroy(&actions);
        close(out_[1]);
        close(err_[1]);
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    void send_signal(int number) const { kill(id_, number); }

    /// Reads all it prints and waits for its end.
    void finish() {
        std::array<pollfd, 2> ends{{{out_[0], POLLIN, 0}, {err_[0], POLLIN, 0}}};
        std::array<std::string*, 2> texts{&output, &errors};
        std::array<char, 4096> buffer;
        for (int open = 2; open > 0;) {
            if (poll(ends.data(), ends.size(), -1) < 0 && errno != EINTR) std::abort();
            for (std::size_t i = 0; i < ends.size(); ++i) {
                if (ends[i].fd < 0 || (ends[i].revents & (POLLIN | POLLHUP)) == 0) continue;
                const auto size = read(ends[i].fd, buffer.data(), buffer.size());
                if (size > 0) {
                    texts[i]->append(buffer.data(), static_cast<std::size_t>(size));
                } else if (size == 0) {
                    close(ends[i].fd);
                    ends[i].fd = -1;
                    --open;
                }
            }
        }
        int status = 0;
        while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {}
        if (WIFEXITED(status)) exit_code = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) killed_by = WTERMSIG(status);
    }

    std::string output;
    std::string errors;
    int exit_code = -1;  // -1: ended by a signal
    int killed_by = 0;

private:
    pid_t id_ = 0;
    std::array<int, 2> out_{};
    std::array<int, 2> err_{};
};

}  // namespace scavenger_test
