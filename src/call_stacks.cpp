#include "call_stacks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>

#include "os_pages.hpp"
#include "sentence.hpp"

#if __has_include(<unwind.h>) && __has_include(<dlfcn.h>) && !defined(_WIN32)
#include <dlfcn.h>
#include <unwind.h>
#define QUARRY_HAS_STACKS 1
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

constexpr std::size_t most_stacks = std::size_t{1} << 16;
constexpr std::size_t most_words = std::size_t{1}
                                   << 20;  // of all stacks: 8 MiB of addresses, touched as they fill

struct frames {
  std::size_t most = frames_of_a_fault;
  std::size_t count = 0;
  const void* of[frames_of_a_fault] = {};
};

// Written and read under a lock. A stack that has a number never changes.
class stack_table {
 public:
  std::uint32_t number_of(const frames& stack) noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    if (words_ == nullptr && !start()) return 0;
    std::size_t hash = stack.count;
    for (std::size_t i = 0; i < stack.count; ++i)
      hash = (hash ^ reinterpret_cast<std::uintptr_t>(stack.of[i])) *
                 static_cast<std::size_t>(0x9E3779B97F4A7C15U) ^
             hash >> 29;
    for (std::size_t at = hash % slots;; at = (at + 1) % slots) {
      if (numbers_[at] == 0) return numbers_[at] = add(stack);
      const void* const* const known = words_ + begins_[numbers_[at]];
      if (reinterpret_cast<std::uintptr_t>(known[0]) == stack.count &&
          std::equal(stack.of, stack.of + stack.count, known + 1))
        return numbers_[at];
    }
  }

  frames frames_of(std::uint32_t number) noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    frames result;
    if (number == 0 || number > count_) return result;
    const void* const* const known = words_ + begins_[number];
    result.count = reinterpret_cast<std::uintptr_t>(known[0]);
    std::copy(known + 1, known + 1 + result.count, result.of);
    return result;
  }

  std::mutex& lock() noexcept { return lock_; }

 private:
  static constexpr std::size_t slots = most_stacks * 2;

  bool start() noexcept {
    constexpr std::size_t bytes =
        most_words * sizeof(void*) + (most_stacks + 1 + slots) * sizeof(std::uint32_t);
    void* const pages = map_pages(bytes, alignof(void*));
    if (pages == nullptr) return false;
    words_ = static_cast<const void**>(pages);
    begins_ = reinterpret_cast<std::uint32_t*>(words_ + most_words);
    numbers_ = begins_ + most_stacks + 1;
    return true;
  }

  std::uint32_t add(const frames& stack) noexcept {
    if (count_ == most_stacks || used_words_ + 1 + stack.count > most_words) return 0;
    begins_[++count_] = static_cast<std::uint32_t>(used_words_);
    words_[used_words_] = reinterpret_cast<const void*>(stack.count);
    std::copy(stack.of, stack.of + stack.count, words_ + used_words_ + 1);
    used_words_ += 1 + stack.count;
    return count_;
  }

  std::mutex lock_;                   // guards all
  const void** words_ = nullptr;      // of each stack: how many frames, and the frames
  std::uint32_t* begins_ = nullptr;   // by number: of a stack in words_
  std::uint32_t* numbers_ = nullptr;  // a hash table; 0: no stack
  std::uint32_t count_ = 0;
  std::size_t used_words_ = 0;
};

stack_table& table() noexcept {
  static stack_table one;
  return one;
}

#if defined(QUARRY_HAS_STACKS)

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* given) noexcept {
  auto& stack = *static_cast<frames*>(given);
  int is_before = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &is_before);
  if (address == 0) return _URC_END_OF_STACK;
  stack.of[stack.count++] = reinterpret_cast<const void*>(is_before != 0 ? address : address - 1);
  return stack.count == stack.most ? _URC_END_OF_STACK : _URC_NO_REASON;
}

#endif

}  // namespace

std::uint32_t current_call_stack([[maybe_unused]] std::size_t most_frames) noexcept {
  frames stack;
  stack.most = most_frames;
#if defined(QUARRY_HAS_STACKS)
  _Unwind_Backtrace(note_frame, &stack);
#endif
  return stack.count == 0 ? 0 : table().number_of(stack);
}

std::mutex& call_stacks_lock() noexcept {
  return table().lock();
}

void write_call_stack([[maybe_unused]] sentence& out, [[maybe_unused]] std::uint32_t number) noexcept {
#if defined(QUARRY_HAS_STACKS)
  const frames stack = table().frames_of(number);
  for (std::size_t i = 0; i < stack.count; ++i) {
    Dl_info known = {};
    const auto address = reinterpret_cast<std::uintptr_t>(stack.of[i]);
    if (dladdr(stack.of[i], &known) == 0 || known.dli_fname == nullptr) {
      out.add("      %p\n", stack.of[i]);
      continue;
    }
    const auto offset =
        static_cast<unsigned long long>(address - reinterpret_cast<std::uintptr_t>(known.dli_fbase));
    const char* const slash = std::strrchr(known.dli_fname, '/');
    out.add("      %s+0x%llx", slash != nullptr ? slash + 1 : known.dli_fname, offset);
    if (known.dli_sname != nullptr) out.add(" (%s)", known.dli_sname);
    out.add("\n");
  }
#endif
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
