// Memory that must not be touched, told to AddressSanitizer; nothing without it.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define PUSH_CACHE_POISON(place, bytes) ASAN_POISON_MEMORY_REGION(place, bytes)
#define PUSH_CACHE_UNPOISON(place, bytes) ASAN_UNPOISON_MEMORY_REGION(place, bytes)
#else
#define PUSH_CACHE_POISON(place, bytes) static_cast<void>(place)
#define PUSH_CACHE_UNPOISON(place, bytes) static_cast<void>(place)
#endif
