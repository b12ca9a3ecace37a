// Fuzz target: the bytes of the input are operations on unsynchronized_slab_resource, checked against the
// model.
//
// The first bytes choose the options and whether the supply is small; then each operation takes one byte for its kind and as many as it needs
// for its numbers. A broken promise aborts, which the fuzzer reports with the input that did it.
#include <algorithm>
#include <memory_resource>
#include <new>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <vector>

#include "fuzz/stop_at_failure.hpp"
#include "support/counting_resource.hpp"
#include "support/refusing_resource.hpp"
#include "support/resource_model.hpp"

namespace {

class input {
 public:
  input(const std::uint8_t* data, std::size_t bytes) : next_(data), end_(data + bytes) {}
  bool empty() const { return next_ == end_; }
  std::size_t byte() { return empty() ? 0 : *next_++; }
  std::size_t number() { return byte() | byte() << 8; }
  std::size_t bytes() {
    const std::size_t kind = byte();
    if (kind < 200) return byte();
    if (kind < 250) return number() % 9000;
    return number() * 8;
  }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  input in(data, bytes);
  quarry_test::counting_resource memory;
  quarry_test::refusing_resource upstream(SIZE_MAX, &memory);
  quarry::slab_options options;
  const std::size_t choice = in.byte();
  options.slab_bytes = choice % 4 == 0 ? 0 : std::size_t{4096} << (choice % 4 * 2);
  options.retain_bytes = choice / 4 % 4 * 65536;
  options.largest_required_pool_block = choice / 16 % 4 * 256;
  const std::size_t kind_of_supply = choice / 64;
  const std::size_t supply_bytes = kind_of_supply < 2 ? 0 : 2048 + in.number() * 64;
  if (kind_of_supply == 2) options.max_bytes = supply_bytes;
  std::vector<std::byte> buffer(kind_of_supply == 3 ? supply_bytes : 0);
  std::pmr::memory_resource* const behind =
      kind_of_supply == 3 && supply_bytes % 128 == 0 ? std::pmr::null_memory_resource() : &upstream;
  quarry::unsynchronized_slab_resource resource(options, buffer.data(), buffer.size(), behind);
  quarry_test::resource_model<quarry::unsynchronized_slab_resource> model(resource, memory, 4096);
  while (!in.empty()) {
    const std::size_t kind = in.byte();
    try {
      if (kind < 110) {
        const std::size_t size = in.bytes();
        model.allocate(size, std::size_t{1} << (in.byte() % 17));
      } else if (kind < 130) {
        const std::size_t size = in.bytes();
        model.try_allocate(size, std::size_t{1} << (in.byte() % 5));
      } else if (kind < 230) {
        if (model.size() > 0) model.deallocate(in.number() % model.size());
      } else if (kind < 236) {
        model.trim(in.byte() * 4096);
      } else if (kind < 240) {
        model.release();
      } else if (kind < 244) {
        model.check();
      } else if (kind < 250) {
        const std::size_t served = in.byte();  // half of the refusals end with the next of these operations
        served % 2 == 0 ? upstream.refuse_nothing_more() : upstream.refuse_after(served / 2 % 4);
      } else {
        // A burst of one size, so that slabs fill and empty within a short input.
        const std::size_t size = in.bytes() % 2048;
        for (std::size_t i = in.number() % 600; i > 0; --i) model.allocate(size, 8);
      }
    } catch (const std::bad_alloc&) {  // upstream refuses, or max_bytes is reached
      model.check();
    }
  }
  model.check();
  model.deallocate_all();
  model.check();
  return 0;
}
