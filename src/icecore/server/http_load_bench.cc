// A load generator for HTTP/1.1 servers on this machine: bench/README.md.
//
//   icecore_server_bench port=8080 path=/v1/features bodies=FILE seconds=10 connections=8
//   [rate=5000]
//   icecore_server_bench machine=100 [seconds=10]
//
// With a rate it is an open loop: requests are due at fixed times, whether or not the server keeps
// up, and latency counts from when a request was due. So a server that stalls is charged for all
// that waited (no coordinated omission). Without one it is a closed loop: each connection asks
// again as soon as it is answered. `bodies`: one JSON body a line, sent by turns.
//
// `machine`: no server at all, but so many microseconds of arithmetic, due as often as they make a
// load of one half, with latency from when each was due. It is what the machine does to a server
// that has no fault: virtual machines have spells of tens of milliseconds in which they are slow,
// and what has queued up meanwhile makes a tail of the same length.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/clock.h"

namespace icecore::server {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

struct Settings {
  uint16_t port = 8080;
  std::string path = "/v1/features";
  std::vector<std::string> bodies;
  double seconds = 10;
  int connections = 8;
  double rate = 0;  // requests a second; 0: closed loop
  int machine_us = 0;
};

struct Client {
  int socket = -1;
  int64_t due_ns = 0;  // of the request under way; 0: none
  std::string unsent;
  std::string received;
};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "icecore_server_bench: %s\n", what.c_str());
  std::exit(1);
}

class Load {
 public:
  explicit Load(Settings settings) : settings_(std::move(settings)) {
    for (const std::string& body : settings_.bodies) {
      requests_.push_back("POST " + settings_.path +
                          " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          "Content-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    poll_ = ::epoll_create1(0);
    clients_.resize(static_cast<size_t>(settings_.connections));
    for (size_t i = 0; i < clients_.size(); ++i) {
      Connect(i);
    }
  }

  void Run() {
    begin_ns_ = base::MonotonicNanos();
    const int64_t end_ns =
        begin_ns_ + static_cast<int64_t>(settings_.seconds * static_cast<double>(kNanosPerSecond));
    // What is under way at the end is waited for, but not for ever.
    const int64_t give_up_ns = end_ns + 10 * kNanosPerSecond;
    while (true) {
      const int64_t now_ns = base::MonotonicNanos();
      if (now_ns < end_ns) {
        Schedule(now_ns);
      }
      while (!idle_.empty() && !waiting_.empty()) {
        SendNext();
      }
      if (now_ns >= give_up_ns || (now_ns >= end_ns && waiting_.empty() && under_way_ == 0)) {
        break;
      }
      Poll();
    }
    elapsed_ns_ = std::min(base::MonotonicNanos(), give_up_ns) - begin_ns_;
    unanswered_ = under_way_ + static_cast<int64_t>(waiting_.size());
  }

  void Print() {
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    const auto at = [&](double q) {
      if (latencies_ns_.empty()) return 0.0;
      const auto index = static_cast<size_t>(q * static_cast<double>(latencies_ns_.size() - 1));
      return static_cast<double>(latencies_ns_[index]) / 1e3;
    };
    std::string statuses;
    for (const auto& [status, count] : statuses_) {
      statuses += (statuses.empty() ? "\"" : ", \"") + std::to_string(status) +
                  "\": " + std::to_string(count);
    }
    const double seconds = static_cast<double>(elapsed_ns_) / 1e9;
    std::printf(
        "{\"answers\": %zu, \"per_second\": %.1f, \"unanswered\": %lld, \"statuses\": {%s}, "
        "\"bytes_per_answer\": %.0f, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
        "\"p999_us\": %.1f, \"max_us\": %.1f}\n",
        latencies_ns_.size(), static_cast<double>(latencies_ns_.size()) / seconds,
        static_cast<long long>(unanswered_), statuses.c_str(),
        latencies_ns_.empty()
            ? 0
            : static_cast<double>(bytes_) / static_cast<double>(latencies_ns_.size()),
        at(0.5), at(0.9), at(0.99), at(0.999), at(1));
  }

 private:
  void Connect(size_t index) {
    Client& client = clients_[index];
    client.socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(settings_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      Die(std::string("cannot connect: ") + std::strerror(errno));
    }
    const int one = 1;
    ::setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::fcntl(client.socket, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.socket, &event);
    idle_.push_back(index);
  }

  int64_t DueAt(int64_t number) const {
    return begin_ns_ + static_cast<int64_t>(static_cast<double>(number) * 1e9 / settings_.rate);
  }

  // Requests that are due by now find an idle connection, or wait for one.
  void Schedule(int64_t now_ns) {
    if (settings_.rate <= 0) {
      while (!idle_.empty()) {
        waiting_.push_back(now_ns);
        SendNext();
      }
      return;
    }
    while (true) {
      const int64_t due_ns =
          begin_ns_ + static_cast<int64_t>(static_cast<double>(scheduled_) * 1e9 / settings_.rate);
      if (due_ns > now_ns) break;
      ++scheduled_;
      waiting_.push_back(due_ns);
    }
  }

  void SendNext() {
    Client& client = clients_[idle_.front()];
    idle_.pop_front();
    client.due_ns = waiting_.front();
    waiting_.pop_front();
    ++under_way_;
    client.unsent = requests_[sent_++ % requests_.size()];
    Flush(&client);
  }

  static void Flush(Client* client) {
    while (!client->unsent.empty()) {
      const ssize_t size =
          ::send(client->socket, client->unsent.data(), client->unsent.size(), MSG_NOSIGNAL);
      if (size < 0) {
        if (errno != EAGAIN) Die(std::string("cannot send: ") + std::strerror(errno));
        return;
      }
      client->unsent.erase(0, static_cast<size_t>(size));
    }
  }

  void Poll() {
    epoll_event events[64];
    // Until the next request is due, and no spinning: the server shares these processors.
    int64_t wait_ns = 1'000'000;
    if (settings_.rate > 0) {
      wait_ns = std::clamp<int64_t>(DueAt(scheduled_) - base::MonotonicNanos(), 0, wait_ns);
    }
    const timespec timeout{0, wait_ns};
    const int count = ::epoll_pwait2(poll_, events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      Receive(events[i].data.u64);
    }
    for (Client& client : clients_) {
      Flush(&client);
    }
  }

  void Receive(size_t index) {
    Client& client = clients_[index];
    char buffer[64 << 10];
    const ssize_t size = ::recv(client.socket, buffer, sizeof buffer, 0);
    if (size <= 0) {
      if (size < 0 && errno == EAGAIN) return;
      Die("the server closed a connection");
    }
    client.received.append(buffer, static_cast<size_t>(size));
    const size_t head = client.received.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const size_t field = client.received.find("Content-Length: ");
    const size_t alternative = client.received.find("content-length: ");
    const size_t at = std::min(field, alternative);
    if (at > head) Die("an answer without Content-Length");
    size_t length = 0;
    std::from_chars(client.received.data() + at + 16, client.received.data() + head, length);
    if (client.received.size() < head + 4 + length) return;
    latencies_ns_.push_back(base::MonotonicNanos() - client.due_ns);
    ++statuses_[std::atoi(client.received.c_str() + 9)];
    bytes_ += static_cast<int64_t>(client.received.size());
    client.received.clear();
    --under_way_;
    idle_.push_back(index);
  }

  const Settings settings_;
  std::vector<std::string> requests_;
  std::vector<Client> clients_;
  std::deque<size_t> idle_;
  std::deque<int64_t> waiting_;  // when each was due
  int poll_ = -1;
  int64_t begin_ns_ = 0;
  int64_t elapsed_ns_ = 0;
  int64_t scheduled_ = 0;
  int64_t under_way_ = 0;
  int64_t unanswered_ = 0;
  int64_t bytes_ = 0;
  size_t sent_ = 0;
  std::vector<int64_t> latencies_ns_;
  std::map<int, int64_t> statuses_;
};

uint64_t Work(uint64_t rounds, uint64_t value) {
  for (uint64_t i = 0; i < rounds; ++i) {
    value = value * 6364136223846793005U + 1442695040888963407U;
  }
  return value;
}

void RunMachine(const Settings& settings) {
  const int64_t piece_ns = int64_t{settings.machine_us} * 1000;
  uint64_t value = 1;
  // How much work that is, by the best of several tries.
  constexpr uint64_t kTrial = 1'000'000;
  int64_t best_ns = INT64_MAX;
  for (int i = 0; i < 20; ++i) {
    const int64_t begin_ns = base::MonotonicNanos();
    value = Work(kTrial, value);
    best_ns = std::min(best_ns, base::MonotonicNanos() - begin_ns);
  }
  const uint64_t rounds = kTrial * static_cast<uint64_t>(piece_ns) / static_cast<uint64_t>(best_ns);
  std::vector<int64_t> times_ns;
  int64_t due_ns = base::MonotonicNanos();
  const int64_t end_ns = due_ns + static_cast<int64_t>(settings.seconds * 1e9);
  for (; due_ns < end_ns; due_ns += 2 * piece_ns) {
    if (const int64_t early_ns = due_ns - base::MonotonicNanos(); early_ns > 0) {
      const timespec rest{0, early_ns};
      ::nanosleep(&rest, nullptr);
    }
    value = Work(rounds, value);
    times_ns.push_back(base::MonotonicNanos() - due_ns);
  }
  std::sort(times_ns.begin(), times_ns.end());
  const auto at = [&](double q) {
    const auto index = static_cast<size_t>(q * static_cast<double>(times_ns.size() - 1));
    return static_cast<double>(times_ns[index]) / 1e3;
  };
  std::printf(
      "{\"pieces\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
      "\"check\": %d}\n",
      times_ns.size(), at(0.5), at(0.99), at(0.999), at(1), static_cast<int>(value & 1));
}

Settings ParseArguments(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "port") {
      settings.port = static_cast<uint16_t>(std::atoi(value.c_str()));
    } else if (name == "path") {
      settings.path = value;
    } else if (name == "seconds") {
      settings.seconds = std::atof(value.c_str());
    } else if (name == "connections") {
      settings.connections = std::max(std::atoi(value.c_str()), 1);
    } else if (name == "rate") {
      settings.rate = std::atof(value.c_str());
    } else if (name == "machine") {
      settings.machine_us = std::max(std::atoi(value.c_str()), 1);
    } else if (name == "bodies") {
      std::ifstream file(value);
      for (std::string line; std::getline(file, line);) {
        settings.bodies.push_back(line);
      }
    } else {
      Die("unknown argument '" + name +
          "'; known: port path bodies seconds connections rate machine");
    }
  }
  if (settings.bodies.empty() && settings.machine_us == 0)
    Die("bodies=FILE is missing, or the file is empty");
  return settings;
}

}  // namespace
}  // namespace icecore::server

int main(int argc, char** argv) {
  icecore::server::Settings settings = icecore::server::ParseArguments(argc, argv);
  if (settings.machine_us > 0) {
    icecore::server::RunMachine(settings);
    return 0;
  }
  icecore::server::Load load(std::move(settings));
  load.Run();
  load.Print();
  return 0;
}
