// What the bare-metal tests need of a machine: a way to print, to end, and one source of interrupts.
#pragma once

#include <cstdint>

namespace board {

void print(const char* text);
[[noreturn]] void finish(int status);

/// Calls `handler` from a timer interrupt, again and again, until stop_interrupts().
void start_interrupts(void (*handler)());
void stop_interrupts();

/// Masks interrupts and returns what restore_interrupts() needs to undo it.
std::uintptr_t mask_interrupts() noexcept;
void restore_interrupts(std::uintptr_t state) noexcept;

/// A lock for data that an interrupt handler shares with the program: interrupts stay masked while it is held.
class interrupt_lock {
 public:
  void lock() noexcept { state_ = mask_interrupts(); }
  void unlock() noexcept { restore_interrupts(state_); }

 private:
  std::uintptr_t state_ = 0;  // of whoever holds the lock
};

}  // namespace board
