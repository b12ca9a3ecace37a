// Stands in for Microsoft's header of this name: what portability.hpp uses of it.
#pragma once

enum { _MM_HINT_T0 = 3 };
extern "C" {
void _mm_pause();
void _mm_prefetch(const char* address, int hint);
}
