// The memory that a planted bug abuses: one face for resources, typed caches and the heap of the process.
//
// Threads: as what lies behind it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace bug_classes {

inline constexpr std::size_t usual_bytes = 48;
inline constexpr std::size_t usual_alignment = 8;

/// Memory of some kind. Pointers and sizes go on to it as they come, right or wrong.
class memory {
 public:
  memory() = default;
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;
  virtual ~memory() = default;  // the end of the memory, of which the heap has none

  virtual void* allocate(std::size_t bytes, std::size_t alignment) = 0;
  virtual void deallocate(void* pointer, std::size_t bytes, std::size_t alignment) = 0;

  /// Frees everything at once. Returns false where that cannot be done.
  virtual bool release() { return false; }
  /// Returns whether blocks of any size are served, not only usual ones.
  virtual bool serves_any_size() const { return true; }
  /// Returns whether several threads may use it at a time.
  virtual bool is_shared() const { return false; }
  /// Returns whether it is the one heap of the process, which has no second one beside it.
  virtual bool is_the_heap() const { return false; }

  void* allocate() { return allocate(usual_bytes, usual_alignment); }
  void deallocate(void* pointer) { deallocate(pointer, usual_bytes, usual_alignment); }
};

/// Returns a memory of that kind, or null when there is no kind of that name here.
std::unique_ptr<memory> make_memory(const std::string& kind);

/// Returns the names of all kinds.
std::vector<std::string> kinds_of_memory();

}  // namespace bug_classes
