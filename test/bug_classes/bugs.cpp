#include "bugs.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "memory.hpp"
#include "outcome.hpp"

namespace bug_classes {
namespace {

constexpr std::size_t large_bytes = 100000;  // beyond every size class
constexpr int many = 20000;                  // frees, more than any allocator delays

constexpr const char* two_owners = "two owners";

// Where a pointer comes from that the compiler is not to see through.
template <class T>
T* hidden(T* pointer) {
  T* volatile kept = pointer;
  return kept;
}

void write(void* block, std::ptrdiff_t offset, std::size_t bytes, unsigned char value) {
  auto* const at = static_cast<volatile unsigned char*>(hidden(block)) + offset;
  for (std::size_t i = 0; i < bytes; ++i) at[i] = value;
}

// Memory that belongs to somebody: a block, or something that no allocator gave.
struct range {
  std::uintptr_t begin;
  std::size_t bytes;
  const char* harm;     // when an allocator hands it out
  unsigned char value;  // of each of its bytes; 0: not looked at
};

// What the rest of a program does with the memory that somebody abused.
class program {
 public:
  explicit program(const std::string& kind) : kind_(kind), memory_(make_memory(kind)) {}

  memory& own() { return *memory_; }
  const std::string& kind() const { return kind_; }

  void require(bool it) {
    if (!it) end_as_impossible();
  }

  // Returns a block that is the program's until drop().
  void* keep(std::size_t bytes = usual_bytes, std::size_t alignment = usual_alignment) {
    void* const kept = memory_->allocate(bytes, alignment);
    const auto value = static_cast<unsigned char>(ranges_.size() % 100 + 1);
    write(kept, 0, bytes, value);
    ranges_.push_back({reinterpret_cast<std::uintptr_t>(kept), bytes, two_owners, value});
    kept_.push_back({kept, bytes, alignment});
    return kept;
  }
  // Memory that no allocator may hand out.
  void enter(void* begin, std::size_t bytes, const char* harm) {
    ranges_.push_back({reinterpret_cast<std::uintptr_t>(begin), bytes, harm, 0});
  }
  void forget(void* begin) {
    const auto is_it = [=](const range& each) {
      return each.begin == reinterpret_cast<std::uintptr_t>(begin);
    };
    ranges_.erase(std::remove_if(ranges_.begin(), ranges_.end(), is_it), ranges_.end());
    kept_.erase(
        std::remove_if(kept_.begin(), kept_.end(), [=](const block& each) { return each.begin == begin; }),
        kept_.end());
  }
  // Frees a block that was kept.
  void drop(void* begin) {
    for (const block each : kept_) {
      if (each.begin != begin) continue;
      forget(begin);
      return memory_->deallocate(begin, each.bytes, each.alignment);
    }
  }

  // Looks whether what is kept has changed.
  void look() {
    for (const range& each : ranges_) {
      if (each.value == 0) continue;
      const auto* const at = reinterpret_cast<const volatile unsigned char*>(each.begin);
      for (std::size_t i = 0; i < each.bytes; ++i) {
        if (at[i] == each.value) continue;
        return note_harm("a value changed");
      }
    }
  }

  // Allocates `count` blocks, each of which must be nobody's, and frees them.
  void allocate_and_free(int count, std::size_t bytes = usual_bytes,
                         std::size_t alignment = usual_alignment) {
    std::vector<void*> blocks;
    blocks.reserve(static_cast<std::size_t>(count));
    const std::size_t known = ranges_.size();
    bool is_harmed = false;
    for (int i = 0; i < count; ++i) {
      void* const fresh = memory_->allocate(bytes, alignment);
      const auto begin = reinterpret_cast<std::uintptr_t>(fresh);
      if (!is_harmed && begin % alignment != 0) {
        note_harm("a misaligned block");
        is_harmed = true;
      }
      for (const range& each : ranges_) {
        if (is_harmed || begin + bytes <= each.begin || each.begin + each.bytes <= begin) continue;
        note_harm(each.harm);
        is_harmed = true;
      }
      ranges_.push_back({begin, bytes, two_owners, 0});
      blocks.push_back(fresh);
      write(fresh, 0, bytes, 0xAB);
    }
    ranges_.resize(known);
    for (void* each : blocks) memory_->deallocate(each, bytes, alignment);
  }

  // Other code, long after; then the end.
  void go_on(std::size_t other_bytes = usual_bytes, std::size_t other_alignment = usual_alignment) {
    begin(step::use);
    allocate_and_free(400);
    if (other_bytes != usual_bytes || other_alignment != usual_alignment)
      allocate_and_free(400, other_bytes, other_alignment);
    look();
    for (int i = 0; i < many; ++i) memory_->deallocate(memory_->allocate());
    allocate_and_free(4000);
    while (!kept_.empty()) drop(kept_.back().begin);
    end();
  }
  void end() {
    begin(step::end);
    memory_.reset();
  }

 private:
  struct block {
    void* begin;
    std::size_t bytes;
    std::size_t alignment;
  };

  std::string kind_;
  std::unique_ptr<memory> memory_;
  std::vector<range> ranges_;
  std::vector<block> kept_;
};

// The address of a block that was freed as it should be.
void* freed_block(program& in) {
  void* const block = in.own().allocate();
  in.own().deallocate(block);
  return hidden(block);
}

void double_free(program& in) {
  in.keep();
  void* const block = freed_block(in);
  begin(step::fault);
  in.own().deallocate(block);
  in.go_on();
}

void double_free_after_others(program& in) {
  in.keep();
  std::vector<void*> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(in.own().allocate());
  for (void* each : blocks) in.own().deallocate(each);
  begin(step::fault);
  in.own().deallocate(hidden(blocks[100]));
  in.go_on();
}

void double_free_of_a_large_block(program& in) {
  in.require(in.own().serves_any_size());
  void* const block = in.own().allocate(large_bytes, usual_alignment);
  in.own().deallocate(block, large_bytes, usual_alignment);
  begin(step::fault);
  in.own().deallocate(hidden(block), large_bytes, usual_alignment);
  begin(step::use);
  in.allocate_and_free(4, large_bytes);
  in.go_on();
}

void free_after_release(program& in) {
  void* const block = in.own().allocate();
  in.require(in.own().release());
  begin(step::fault);
  in.own().deallocate(hidden(block));
  in.go_on();
}

void interior_pointer(program& in) {
  auto* const block = static_cast<char*>(in.keep());
  begin(step::fault);
  in.own().deallocate(hidden(block + 16));
  in.go_on();
}

void misaligned_pointer(program& in) {
  auto* const block = static_cast<char*>(in.keep());
  begin(step::fault);
  in.own().deallocate(hidden(block + 1));
  in.go_on();
}

// Computed from two neighbours as if blocks were an array.
void never_allocated(program& in) {
  auto* const first = static_cast<char*>(in.keep());
  auto* const second = static_cast<char*>(in.keep());
  const auto apart = static_cast<std::size_t>(first < second ? second - first : first - second);
  auto* const next =
      (first < second ? second : first) + (apart <= 4 * usual_bytes ? apart * 100 : usual_bytes * 100);
  begin(step::fault);
  in.own().deallocate(hidden(next));
  in.go_on();
}

void stack_pointer(program& in) {
  in.keep();
  alignas(16) unsigned char local[16 * usual_bytes] = {};
  in.enter(local, sizeof local, "hands the stack out");
  begin(step::fault);
  in.own().deallocate(hidden(local + 4 * usual_bytes));
  in.go_on();
}

void static_pointer(program& in) {
  in.keep();
  alignas(16) static unsigned char global[16 * usual_bytes];
  in.enter(global, sizeof global, "hands the variable out");
  begin(step::fault);
  in.own().deallocate(hidden(global + 4 * usual_bytes));
  in.go_on();
}

void unmapped_pointer(program& in) {
  in.keep();
  void* const nobody = reinterpret_cast<void*>(std::uintptr_t{0x123450});
  in.enter(nobody, usual_bytes, "hands the address out");
  begin(step::fault);
  in.own().deallocate(hidden(nobody));
  in.go_on();
}

void pointer_of_malloc(program& in) {
  in.require(!in.own().is_the_heap() || !in.own().serves_any_size());
  in.keep();
  void* const block = std::malloc(usual_bytes);
  in.enter(block, usual_bytes, two_owners);
  begin(step::fault);
  in.own().deallocate(hidden(block));
  in.go_on();
}

void pointer_of_another_resource(program& in) {
  in.require(!in.own().is_the_heap());
  in.keep();
  const std::unique_ptr<memory> other = make_memory(in.kind());
  void* const block = other->allocate();
  in.enter(block, usual_bytes, two_owners);
  begin(step::fault);
  in.own().deallocate(hidden(block));
  in.go_on();
}

void wrong_size(program& in) {
  in.require(in.own().serves_any_size());
  std::vector<void*> neighbours;
  for (int i = 0; i < 8; ++i) neighbours.push_back(in.keep());
  void* const block = neighbours[4];
  in.forget(block);
  begin(step::fault);
  in.own().deallocate(hidden(block), 200, usual_alignment);
  in.go_on(200);
}

void wrong_size_of_the_same_class(program& in) {
  in.require(in.own().serves_any_size());
  in.keep();
  void* const block = in.own().allocate(45, usual_alignment);
  begin(step::fault);
  in.own().deallocate(hidden(block), 46, usual_alignment);
  in.go_on();
}

void wrong_alignment(program& in) {
  in.require(in.own().serves_any_size());
  for (int i = 0; i < 7; ++i) in.keep(40);
  void* block = in.own().allocate(40, 8);
  while (reinterpret_cast<std::uintptr_t>(block) % 64 == 0) block = in.own().allocate(40, 8);
  begin(step::fault);
  in.own().deallocate(hidden(block), 40, 64);
  in.go_on(40, 64);
}

// Two neighbours, the lower one first; where the allocator lays none side by side, any two.
std::pair<void*, void*> neighbours(program& in) {
  std::vector<void*> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(in.keep());
  std::sort(blocks.begin(), blocks.end());
  std::size_t best = 31;
  const auto gap = [&](std::size_t i) {
    return static_cast<char*>(blocks[i + 1]) - static_cast<char*>(blocks[i]);
  };
  for (std::size_t i = 30; i < 40; ++i)
    if (gap(i) < gap(best)) best = i;
  return {blocks[best], blocks[best + 1]};
}

// Frees both, as is right.
void drop_both(program& in, const std::pair<void*, void*>& both) {
  in.look();
  begin(step::freed);
  in.drop(both.second);
  in.drop(both.first);
  in.go_on();
}

void underrun(program& in) {
  const auto both = neighbours(in);
  begin(step::fault);
  write(both.second, -8, 8, 0x41);
  drop_both(in, both);
}

void overrun_by_one_byte(program& in) {
  in.require(in.own().serves_any_size());
  void* const block = in.own().allocate(45, usual_alignment);
  begin(step::fault);
  write(block, 45, 1, 0);
  in.look();
  begin(step::freed);
  in.own().deallocate(block, 45, usual_alignment);
  in.go_on();
}

void overrun_of_a_full_block(program& in) {
  const auto both = neighbours(in);
  begin(step::fault);
  write(both.first, usual_bytes, 1, 0);
  drop_both(in, both);
}

void overrun_into_the_neighbour(program& in) {
  const auto both = neighbours(in);
  begin(step::fault);
  write(both.first, usual_bytes, 40, 0x41);
  drop_both(in, both);
}

// The address of the block that was freed last of several.
void* freed_blocks(program& in) {
  in.keep();
  void* blocks[8];
  for (void*& each : blocks) each = in.own().allocate();
  for (void* each : blocks) in.own().deallocate(each);
  return hidden(blocks[7]);
}

void write_after_free(program& in) {
  void* const block = freed_blocks(in);
  begin(step::fault);
  write(block, 20, 4, 0x41);
  in.go_on();
}

void write_after_free_at_the_begin(program& in) {
  void* const block = freed_blocks(in);
  begin(step::fault);
  write(block, 0, 8, 0x41);
  in.go_on();
}

// The block has a new owner by then.
void write_after_reuse(program& in) {
  void* const block = freed_block(in);
  for (int i = 0; i < 100; ++i) in.keep();
  begin(step::fault);
  write(block, 20, 4, 0x7E);
  in.look();
  in.go_on();
}

void read_after_free(program& in) {
  in.keep();
  void* const block = in.own().allocate();
  write(block, 0, usual_bytes, 0x77);
  in.own().deallocate(block);
  begin(step::fault);
  note_harm(static_cast<const volatile unsigned char*>(hidden(block))[20] == 0x77 ? "reads the old value"
                                                                                  : "reads another value");
  in.go_on();
}

void leak(program& in) {
  for (int i = 0; i < 3; ++i) static_cast<void>(in.own().allocate());
  begin(step::fault);
  in.end();
}

void free_by_two_threads(program& in) {
  in.require(in.own().is_shared());
  in.keep();
  for (int round = 0; round < 50; ++round) {
    void* const block = in.own().allocate();
    std::atomic<int> ready{0};
    begin(step::fault);
    const auto free_it = [&] {
      ready.fetch_add(1);
      while (ready.load() != 2) std::this_thread::yield();
      in.own().deallocate(hidden(block));
    };
    std::thread one(free_it), other(free_it);
    one.join();
    other.join();
    begin(step::use);
    in.allocate_and_free(400);
  }
  in.go_on();
}

// Frees a block that somebody else got meanwhile.
void free_stale(program& in, void* stale, int tries) {
  void* victim = nullptr;
  for (int i = 0; i < tries && victim != stale; ++i) victim = in.keep();
  begin(step::fault);
  in.own().deallocate(hidden(stale));
  in.go_on();
}

void stale_free(program& in) {
  free_stale(in, freed_block(in), 100);
}

void stale_free_long_after(program& in) {
  void* const stale = freed_block(in);
  for (int i = 0; i < many; ++i) in.own().deallocate(in.own().allocate());
  in.allocate_and_free(4000);
  free_stale(in, stale, 8000);
}

// What the others do, without a fault.
void no_bug(program& in) {
  const auto both = neighbours(in);
  in.own().deallocate(in.own().allocate());
  begin(step::fault);
  drop_both(in, both);
}

struct runnable {
  bug described;
  void (*run)(program&);
};

constexpr runnable runnables[] = {
    {{"double_free", "double free, at once"}, double_free},
    {{"double_free_after_others", "double free, after 100 others"}, double_free_after_others},
    {{"double_free_of_a_large_block", "double free of 100,000 bytes"}, double_free_of_a_large_block},
    {{"free_by_two_threads", "two threads free one block at the same moment"}, free_by_two_threads},
    {{"stale_free", "free of a block that somebody else has got since, at once"}, stale_free},
    {{"stale_free_long_after", "the same, 20,000 frees later"}, stale_free_long_after},
    {{"free_after_release", "free of a block of before `release()`"}, free_after_release},
    {{"interior_pointer", "free of a pointer 16 bytes into its block"}, interior_pointer},
    {{"misaligned_pointer", "free of a pointer one byte into its block"}, misaligned_pointer},
    {{"never_allocated", "free of an address beside blocks that nobody allocated"}, never_allocated},
    {{"stack_pointer", "free of an address of the stack"}, stack_pointer},
    {{"static_pointer", "free of the address of a variable"}, static_pointer},
    {{"unmapped_pointer", "free of an address without memory"}, unmapped_pointer},
    {{"pointer_of_malloc", "free of a block of `malloc`"}, pointer_of_malloc},
    {{"pointer_of_another_resource", "free of a block of another resource"}, pointer_of_another_resource},
    {{"wrong_size", "free with a size of another class"}, wrong_size},
    {{"wrong_size_of_the_same_class", "free with a size one too large"}, wrong_size_of_the_same_class},
    {{"wrong_alignment", "free with another alignment"}, wrong_alignment},
    {{"underrun", "write of the 8 bytes before a block"}, underrun},
    {{"overrun_by_one_byte", "write one byte behind the 45 that were asked for"}, overrun_by_one_byte},
    {{"overrun_of_a_full_block", "write one byte behind 48"}, overrun_of_a_full_block},
    {{"overrun_into_the_neighbour", "write 40 bytes behind 48"}, overrun_into_the_neighbour},
    {{"write_after_free", "write into a freed block"}, write_after_free},
    {{"write_after_free_at_the_begin", "write over the first 8 bytes of a freed block"},
     write_after_free_at_the_begin},
    {{"write_after_reuse", "write into a freed block that 100 allocations came after"}, write_after_reuse},
    {{"read_after_free", "read of a freed block"}, read_after_free},
    {{"leak", "3 blocks live at the end"}, leak},
};

}  // namespace

const std::vector<bug>& all_bugs() {
  static const std::vector<bug> all = [] {
    std::vector<bug> result;
    for (const runnable& each : runnables) result.push_back(each.described);
    return result;
  }();
  return all;
}

void run_bug(const std::string& kind_of_memory, const std::string& name) {
  for (const runnable& each : runnables) {
    if (name != each.described.name) continue;
    program in(kind_of_memory);
    return each.run(in);
  }
  if (name != "no_bug") std::abort();
  program in(kind_of_memory);
  no_bug(in);
}

}  // namespace bug_classes
