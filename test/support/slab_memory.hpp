// Memory for one slab, aligned to its size, for the tests of what lies in a slab.
#pragma once

#include <cstddef>
#include <memory_resource>

namespace quarry_test {

class slab_memory {
 public:
  explicit slab_memory(std::size_t slab_bytes)
      : slab_bytes_(slab_bytes), base_(std::pmr::new_delete_resource()->allocate(slab_bytes, slab_bytes)) {}
  slab_memory(const slab_memory&) = delete;
  slab_memory& operator=(const slab_memory&) = delete;
  ~slab_memory() { std::pmr::new_delete_resource()->deallocate(base_, slab_bytes_, slab_bytes_); }

  std::byte* base() const { return static_cast<std::byte*>(base_); }

 private:
  std::size_t slab_bytes_;
  void* base_;
};

}  // namespace quarry_test
