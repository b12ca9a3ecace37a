// Every verb that allocates, of every face, at every level of checks, over an upstream that throws or returns null at any call.
#include <gtest/gtest.h>

#include <cstddef>
#include <memory_resource>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <vector>

#include "support/refused_calls.hpp"

namespace {

using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::unsynchronized_slab_resource;
using quarry_test::allocating_verb;
using quarry_test::refusal;
using quarry_test::refuse_every_call;
using quarry_test::taken_blocks;

template <class Resource>
class direct {
 public:
  direct(const quarry::slab_options& options, std::pmr::memory_resource& upstream)
      : resource_(options, &upstream) {}
  Resource& resource() { return resource_; }
  Resource& face() { return resource_; }

 private:
  Resource resource_;
};

class through_a_view {
 public:
  through_a_view(const quarry::slab_options& options, std::pmr::memory_resource& upstream)
      : resource_(options, &upstream), view_(resource_) {}
  synchronized_slab_resource& resource() { return resource_; }
  slab_thread_view& face() { return view_; }

 private:
  synchronized_slab_resource resource_;
  slab_thread_view view_;
};

taken_blocks one_or_none(void* address, std::size_t bytes, std::size_t alignment) {
  return address == nullptr ? taken_blocks() : taken_blocks{{address, bytes, alignment}};
}

template <class T>
taken_blocks drained(quarry::multiallocation_chain<T>& chain, std::size_t bytes) {
  taken_blocks blocks;
  while (!chain.empty()) blocks.push_back({chain.pop_front(), bytes, alignof(T)});
  return blocks;
}

/// The verbs that take any size, of the face itself and of an allocator of bytes over it.
template <class Face>
std::vector<allocating_verb<Face>> verbs() {
  using allocator = quarry::slab_allocator<unsigned char, Face>;
  using chain_type = typename allocator::multiallocation_chain;
  return {{"allocate", true,
           [](Face& face, std::size_t bytes) {
             return taken_blocks{{face.allocate(bytes, 16), bytes, 16}};
           }},
          {"do_allocate", true,
           [](Face& face, std::size_t bytes) {
             std::pmr::memory_resource& base = face;
             return taken_blocks{{base.allocate(bytes, 8), bytes, 8}};
           }},
          {"try_allocate", false,
           [](Face& face, std::size_t bytes) { return one_or_none(face.try_allocate(bytes, 8), bytes, 8); }},
          {"allocate_run", true,
           [](Face& face, std::size_t bytes) {
             const auto run = face.allocate_run(40, bytes, 8);
             taken_blocks blocks;
             for (std::size_t i = 0; i < run.slots; ++i)
               blocks.push_back({static_cast<std::byte*>(run.first) + i * run.slot_bytes, bytes, 8});
             return blocks;
           }},
          {"slab_allocator::allocate", true,
           [](Face& face, std::size_t bytes) {
             return taken_blocks{{allocator(face).allocate(bytes), bytes, 1}};
           }},
          {"slab_allocator::allocate_many of one length", true,
           [](Face& face, std::size_t bytes) {
             chain_type chain;
             allocator(face).allocate_many(bytes, 20, chain);
             return drained(chain, bytes);
           }},
          {"slab_allocator::allocate_many of many lengths", true,
           [](Face& face, std::size_t bytes) {
             const std::size_t lengths[] = {bytes, 24, 2 * bytes, bytes};
             chain_type chain;
             allocator(face).allocate_many(lengths, std::size(lengths), chain);
             taken_blocks blocks;
             for (const std::size_t length : lengths) blocks.push_back({chain.pop_front(), length, 1});
             return blocks;
           }},
          {"slab_allocator::allocation_command", true,
           [](Face& face, std::size_t bytes) {
             std::size_t received = bytes;
             unsigned char* reuse = nullptr;
             void* const block =
                 allocator(face).allocation_command(allocator::allocate_new, bytes, received, reuse);
             return taken_blocks{{block, received, 1}};
           }},
          {"slab_allocator::allocation_command that may get less", true,
           [](Face& face, std::size_t bytes) {
             std::size_t received = 2 * bytes;
             unsigned char* reuse = nullptr;
             void* const block =
                 allocator(face).allocation_command(allocator::allocate_new, bytes, received, reuse);
             return taken_blocks{{block, received, 1}};
           }},
          {"slab_allocator::allocation_command without exceptions", false, [](Face& face, std::size_t bytes) {
             std::size_t received = bytes;
             unsigned char* reuse = nullptr;
             void* const block = allocator(face).allocation_command(
                 allocator::allocate_new | allocator::nothrow_allocation, bytes, received, reuse);
             return one_or_none(block, received, 1);
           }}};
}

template <std::size_t Bytes>
struct object {
  alignas(8) unsigned char bytes[Bytes];
};

/// The verbs whose size is that of a type, for which the work's size is not asked.
template <class Face, std::size_t Bytes>
std::vector<allocating_verb<Face>> typed_verbs() {
  using allocator = quarry::slab_allocator<object<Bytes>, Face>;
  return {{"allocate_fixed", true,
           [](Face& face, std::size_t) {
             return taken_blocks{{face.template allocate_fixed<Bytes, 8>(), Bytes, 8}};
           }},
          {"slab_allocator::allocate_one", true,
           [](Face& face, std::size_t) {
             return taken_blocks{{allocator(face).allocate_one(), Bytes, 8}};
           }},
          {"slab_allocator::allocate_individual of a few", true,
           [](Face& face, std::size_t) {
             typename allocator::multiallocation_chain chain;
             allocator(face).allocate_individual(5, chain);
             return drained(chain, Bytes);
           }},
          {"slab_allocator::allocate_individual of many", true, [](Face& face, std::size_t) {
             typename allocator::multiallocation_chain chain;
             allocator(face).allocate_individual(100, chain);
             return drained(chain, Bytes);
           }}};
}

class RefusedCalls : public testing::TestWithParam<refusal> {
 protected:
  template <class World, class Face>
  static void run() {
    const refusal how = GetParam();
    // Full checks walk the stack at every call, so they get fewer calls.
    const bool is_slow = how.checks == quarry::check_level::full;
    refuse_every_call<World, Face>(how, verbs<Face>(),
                                   is_slow ? sizes_type{1000, 40'000} : sizes_type{240, 5000, 40'000});
    refuse_every_call<World, Face>(how, typed_verbs<Face, 1000>(), {1000});
    refuse_every_call<World, Face>(how, typed_verbs<Face, 40'000>(), {40'000});
  }

 private:
  using sizes_type = std::vector<std::size_t>;
};

TEST_P(RefusedCalls, OfTheUnsynchronizedResourceLeaveEverythingAsItWas) {
  run<direct<unsynchronized_slab_resource>, unsynchronized_slab_resource>();
}
TEST_P(RefusedCalls, OfTheSynchronizedResourceLeaveEverythingAsItWas) {
  run<direct<synchronized_slab_resource>, synchronized_slab_resource>();
}
TEST_P(RefusedCalls, OfAViewThatIsMadeForThemLeaveEverythingAsItWas) {
  refuse_every_call<direct<synchronized_slab_resource>, synchronized_slab_resource>(
      GetParam(),
      {{"slab_thread_view", true,
        [](synchronized_slab_resource& face, std::size_t bytes) {
          slab_thread_view view(face);
          return taken_blocks{{view.allocate(bytes, 8), bytes, 8}};
        }}},
      {240, 5000, 40'000});
}
TEST_P(RefusedCalls, OfAViewLeaveEverythingAsItWas) {
  run<through_a_view, slab_thread_view>();
}

INSTANTIATE_TEST_SUITE_P(EveryRefusal, RefusedCalls, testing::ValuesIn(quarry_test::every_refusal()),
                         [](const auto& each) { return each.param.name(); });

}  // namespace
