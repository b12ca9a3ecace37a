// A Cortex-M program: a timer interrupt fills messages from a static pool, the main loop reads them, frees them and
// blinks. No heap, no exceptions; the pool is shared between handler and program by a lock that masks interrupts.
#include <cstddef>
#include <cstdint>
#include <quarry/slab_cache.hpp>

#include "board.hpp"  // the board's start-up code, a timer, a line of text to the debugger

namespace {

// Any type with lock() and unlock() will do. Masking nests: the old state is put back.
class interrupt_lock {
 public:
  void lock() noexcept { masked_before_ = board::mask_interrupts(); }
  void unlock() noexcept { board::restore_interrupts(masked_before_); }

 private:
  std::uintptr_t masked_before_ = 0;
};

struct message {
  std::uint32_t time;
  std::uint16_t values[6];
};

using pool = quarry::static_page_source<4096, 1024>;
using message_cache = quarry::slab_cache<message, interrupt_lock, 1024, pool>;

pool message_memory;
message_cache messages(message_memory);  // ready before main, no constructor runs

// A ring of owners: one word each, filled by the handler, emptied by the program.
constexpr std::uint32_t ring_slots = 16;
message* ring[ring_slots];
volatile std::uint32_t written = 0, read = 0, dropped = 0;

void on_timer() {
  static std::uint32_t time = 0;
  message_cache::ptr one = messages.try_make();
  if (one == nullptr || written - read == ring_slots) {
    dropped = dropped + 1;  // the pool or the ring is full: a clean error, `one` is freed here
    return;
  }
  one->time = ++time;
  one->values[0] = static_cast<std::uint16_t>(time * 3);
  ring[written % ring_slots] = one.release();
  written = written + 1;
}

volatile std::uint32_t leds = 0;  // on a board: the port of the LEDs

}  // namespace

int main() {
  bool good = true;
  board::start_interrupts(on_timer);
  while (read < 500) {
    if (read == written) continue;  // on a board: wait for the next interrupt
    const auto one = message_cache::ptr::adopt(ring[read % ring_slots]);
    good = good && one->values[0] == static_cast<std::uint16_t>(one->time * 3);
    read = read + 1;
    if (one->time % 50 == 0) leds = leds ^ 1U;
  }  // `one` is freed, its slot is the handler's again
  board::stop_interrupts();
  while (read != written) {
    message_cache::ptr::adopt(ring[read % ring_slots]).reset();
    read = read + 1;
  }
  good = good && messages.stats().live_slots == 0 && message_memory.lent_bytes() <= pool::capacity_bytes();
  board::print(good ? "ok 500 messages went from the interrupt handler to the main loop\n"
                    : "not ok messages\n");
  return good ? 0 : 1;
}
