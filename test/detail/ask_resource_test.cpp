#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <quarry/detail/ask_resource.hpp>

namespace {

using quarry::detail::ask_resource;

/// Returns what it is told to, whatever is asked for.
class told_resource : public std::pmr::memory_resource {
 public:
  explicit told_resource(void* answer) noexcept : answer_(answer) {}
  std::size_t bytes = 0, alignment = 0;  // of the last call

 private:
  void* do_allocate(std::size_t asked_bytes, std::size_t asked_alignment) override {
    bytes = asked_bytes;
    alignment = asked_alignment;
    return answer_;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  void* answer_;
};

TEST(AskResource, PassesOnWhatIsAskedAndWhatIsReturned) {
  alignas(64) std::byte memory[64];
  told_resource resource(memory);
  EXPECT_EQ(ask_resource(resource, 48, 32), memory);
  EXPECT_EQ(resource.bytes, 48U);
  EXPECT_EQ(resource.alignment, 32U);
}

TEST(AskResource, LetsTheCallerSeeWhatIsNotAligned) {
  alignas(64) std::byte memory[64];
  told_resource resource(memory + 8);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ask_resource(resource, 48, 64)) % 64, 8U);
}

TEST(AskResource, LetsExceptionsThrough) {
  EXPECT_THROW(ask_resource(*std::pmr::null_memory_resource(), 48, 8), std::bad_alloc);
}

}  // namespace
