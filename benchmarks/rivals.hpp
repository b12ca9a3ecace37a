// The rivals: every way to get memory that one workload is timed on, behind one interface.
//
// A benchmark asks `rivals()` for the list and calls `with` for each: the rival's resource is built on the
// stack, the body runs, the resource dies. To add a rival, add one line in rivals.cpp. To time something new,
// use workload.hpp; only what is no `memory_resource` workload (threads, typed caches) needs this header
// directly.
#pragma once

#include <cstddef>
#include <functional>
#include <memory_resource>
#include <string>
#include <vector>

namespace bench {

/// What a rival is, so that a target can say "ahead of every malloc" or "first of all that free".
enum class rival_kind {
  quarry,  // ours
  pool,    // a pool resource: std, Boost
  malloc,  // a general allocator behind a thin resource
  floor    // never frees, so it bounds what is possible: monotonic, one block
};

using resource_body = std::function<void(std::pmr::memory_resource&)>;

struct rival {
  std::string name;
  rival_kind kind;
  bool synchronized;  // may be shared by threads
  bool has_upstream;  // refills from the upstream it is given, so bytes held can be counted there

  /// Builds the resource over `upstream` on the stack, runs `body` on it, destroys it.
  void (*with)(std::pmr::memory_resource* upstream, const resource_body& body);

  /// As `with`, starting from a caller's buffer; null where the rival has no such constructor.
  void (*with_buffer)(void* buffer, std::size_t bytes, std::pmr::memory_resource* upstream,
                      const resource_body& body);

  /// Run after each round, inside the timing: monotonic starts over here, all others do nothing (null).
  void (*end_round)(std::pmr::memory_resource&);

  /// Gives free memory back to the system as far as the rival can: by its own call, and where it refills from new and
  /// delete by glibc's malloc_trim besides. What lives stays.
  void (*trim)(std::pmr::memory_resource&);

  /// What a pool has besides for a user who has freed all: it gives everything back (null: nothing).
  void (*release)(std::pmr::memory_resource&);
};

/// Every rival of this machine, Quarry first. Rivals that are not installed are not in it.
const std::vector<rival>& rivals();

/// The rival of that name, alone: no other rival's library is loaded, so that the memory of the process is this one's.
/// Null where it is not installed. A process asks for one name only.
const rival* only_rival(const std::string& name);

/// Quarry's two resources at each check level, and the mallocs that check something: for the program that asks what
/// checks cost. Those that are not installed are not in it.
const std::vector<rival>& checking_rivals();

/// A resource that answers every request with one and the same block: what the calls alone cost. Only for loads that
/// say so (`workload::takes_one_block`); not one of `rivals()`.
const rival& one_block();

/// The names of the rivals that were looked for and not found, each with what to install.
const std::vector<std::string>& absent_rivals();

const char* kind_name(rival_kind kind);

/// Call first in `main`. jemalloc needs room in the static thread-local block, which the C library grants
/// only at program start: the program starts itself again once with GLIBC_TUNABLES set, to `tunables` too. Returns
/// normally when nothing is left to do.
void prepare_process(char** argv, const std::vector<std::string>& tunables = {});

/// A `memory_resource` that counts: live bytes and their peak, over any upstream.
class counting_resource final : public std::pmr::memory_resource {
 public:
  explicit counting_resource(std::pmr::memory_resource* upstream) : upstream_(upstream) {}
  std::size_t live_bytes() const { return live_bytes_; }
  std::size_t peak_bytes() const { return peak_bytes_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* const block = upstream_->allocate(bytes, alignment);
    live_bytes_ += bytes;
    if (live_bytes_ > peak_bytes_) peak_bytes_ = live_bytes_;
    return block;
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    live_bytes_ -= bytes;
    upstream_->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource* upstream_;
  std::size_t live_bytes_ = 0;  // bytes handed out and not returned
  std::size_t peak_bytes_ = 0;  // the largest live_bytes_ so far
};

}  // namespace bench
