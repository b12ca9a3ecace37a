// Stands in for the system's header of this name: what src/ uses of it.
#pragma once

using DWORD = unsigned long;
struct SYSTEM_INFO {
  DWORD dwAllocationGranularity;
};
enum : DWORD {
  MEM_COMMIT = 0x1000,
  MEM_RESERVE = 0x2000,
  MEM_RELEASE = 0x8000,
  PAGE_NOACCESS = 0x01,
  PAGE_READWRITE = 0x04
};
extern "C" {
void GetSystemInfo(SYSTEM_INFO* info);
void* VirtualAlloc(void* address, decltype(sizeof 0) bytes, DWORD kind, DWORD protection);
int VirtualProtect(void* address, decltype(sizeof 0) bytes, DWORD protection, DWORD* before);
int VirtualFree(void* address, decltype(sizeof 0) bytes, DWORD kind);
}
