// MPS2 AN386 (Cortex-M4): start-up code, semihosting for text and the exit status, SysTick for interrupts.
#include "../board.hpp"

#include <cstddef>
#include <cstdint>

int main();

extern "C" {
extern unsigned char data_load[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
void* __dso_handle = nullptr;
// Objects with static lifetime are never destroyed here.
int __aeabi_atexit(void*, void (*)(void*), void*) {
  return 0;
}
}

namespace {

void (*volatile handler_)() = nullptr;
auto* const systick = reinterpret_cast<volatile std::uint32_t*>(0xE000E010);

std::uintptr_t semihost(std::uint32_t operation, const void* argument) {
  register std::uintptr_t r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

[[noreturn]] void reset() {
  for (std::size_t i = 0; data_begin + i != data_end; ++i) data_begin[i] = data_load[i];
  for (unsigned char* byte = bss_begin; byte != bss_end; ++byte) *byte = 0;
  board::finish(main());
}

void fault() {
  board::print("not ok a fault\n");
  board::finish(2);
}

void systick_handler() {
  if (handler_ != nullptr) handler_();
}

}  // namespace

namespace board {

void print(const char* text) {
  semihost(0x04, text);
}

void finish(int status) {
  const std::uintptr_t arguments[] = {0x20026, static_cast<std::uintptr_t>(status)};
  semihost(0x20, arguments);
  for (;;) {
  }
}

void start_interrupts(void (*handler)()) {
  handler_ = handler;
  systick[1] = 2000;  // processor cycles between two interrupts
  systick[2] = 0;
  systick[0] = 7;  // on, with interrupt, processor clock
}

void stop_interrupts() {
  systick[0] = 0;
}

std::uintptr_t mask_interrupts() noexcept {
  std::uintptr_t state;
  asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(state)::"memory");
  return state;
}

void restore_interrupts(std::uintptr_t state) noexcept {
  asm volatile("msr primask, %0" ::"r"(state) : "memory");
}

}  // namespace board

using vector = void (*)();
[[gnu::section(".vectors"), gnu::used]] const vector vectors[16] = {reinterpret_cast<vector>(stack_top),
                                                                    reset,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    nullptr,
                                                                    nullptr,
                                                                    nullptr,
                                                                    nullptr,
                                                                    fault,
                                                                    fault,
                                                                    nullptr,
                                                                    fault,
                                                                    systick_handler};
