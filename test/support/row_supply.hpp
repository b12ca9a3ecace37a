// An upstream that hands out one block of memory from its begin on, so that a test knows where everything lies.
//
// Threads    One at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <memory_resource>
#include <new>

namespace quarry_test {

class row_supply final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t alignment = 65536;  // of begin()

  explicit row_supply(std::size_t bytes)
      : bytes_(bytes),
        memory_(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignment}))) {}
  row_supply(const row_supply&) = delete;
  row_supply& operator=(const row_supply&) = delete;
  ~row_supply() override { ::operator delete (memory_, std::align_val_t{alignment}); }

  std::byte* begin() const { return memory_; }
  std::size_t used_bytes() const { return used_bytes_; }
  bool holds(const void* pointer) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - memory_) < used_bytes_;
  }
  /// Starts over. Requires that nobody uses what was handed out.
  void reset() { used_bytes_ = 0; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t block_alignment) override {
    void* place = memory_ + used_bytes_;
    std::size_t room = bytes_ - used_bytes_;
    if (std::align(block_alignment, bytes, place, room) == nullptr) throw std::bad_alloc();
    used_bytes_ = bytes_ - room + bytes;
    return place;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t bytes_;
  std::byte* memory_;
  std::size_t used_bytes_ = 0;
};

}  // namespace quarry_test
