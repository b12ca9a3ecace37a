// A program under WASI as a board: text and the end of the program by the C library. There are no interrupts; the handler is called
// where a board's program could be interrupted again, when interrupts are unmasked.
#include "../freestanding/board.hpp"

#include <cstdio>
#include <cstdlib>

int program_main();  // freestanding code has no main that C's library could call

int main() {
  return program_main();
}

namespace {

void (*handler_)() = nullptr;
bool masked_ = false;

}  // namespace

namespace board {

void print(const char* text) {
  std::fputs(text, stdout);
}

void finish(int status) {
  std::exit(status);
}

void start_interrupts(void (*handler)()) {
  handler_ = handler;
}

void stop_interrupts() {
  handler_ = nullptr;
}

std::uintptr_t mask_interrupts() noexcept {
  const bool before = masked_;
  masked_ = true;
  return before ? 1 : 0;
}

void restore_interrupts(std::uintptr_t state) noexcept {
  masked_ = state != 0;
  if (masked_ || handler_ == nullptr) return;
  void (*const handler)() = handler_;
  handler_ = nullptr;  // no interrupt inside of one
  handler();
  handler_ = handler;
}

}  // namespace board
