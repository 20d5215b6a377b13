// C11's threads over POSIX's, for builds with ThreadSanitizer: it does not know glibc's
// thrd_create, mtx_lock and the like, so a thread of librdkafka would crash in it, and locks of
// librdkafka would not count.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a mutex fits");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a condition fits");

// librdkafka counts references with atomics that are not instrumented, so the end of an object
// seems to race with its last use by another thread: also that of a fetched buffer, which may hold
// records of several lanes.
const char* __tsan_default_suppressions(void);
const char* __tsan_default_suppressions(void) {
  return "race:rwlock_destroy\nrace:rd_segment_destroy\nrace:rd_list_destroy_elems\n";
}

static int from_posix(int code) {
  switch (code) {
    case 0:
      return thrd_success;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    case ENOMEM:
      return thrd_nomem;
    default:
      return thrd_error;
  }
}

struct start {
  thrd_start_t run;
  void* argument;
};

static void* run(void* data) {
  const struct start start = *(struct start*)data;
  free(data);
  return (void*)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  struct start* start = malloc(sizeof *start);
  if (start == NULL) return thrd_nomem;
  start->run = function;
  start->argument = argument;
  const int code = pthread_create(thread, NULL, &run, start);
  if (code != 0) free(start);
  return from_posix(code);
}

int thrd_join(thrd_t thread, int* result) {
  void* value = NULL;
  const int code = pthread_join(thread, &value);
  if (result != NULL) *result = (int)(intptr_t)value;
  return from_posix(code);
}

thrd_t thrd_current(void) { return pthread_self(); }

void call_once(once_flag* flag, void (*function)(void)) {
  _Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "a flag is the same");
  pthread_once((pthread_once_t*)flag, function);
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (type & mtx_recursive) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int code = pthread_mutex_init((pthread_mutex_t*)mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return from_posix(code);
}
int mtx_lock(mtx_t* mutex) { return from_posix(pthread_mutex_lock((pthread_mutex_t*)mutex)); }
int mtx_trylock(mtx_t* mutex) { return from_posix(pthread_mutex_trylock((pthread_mutex_t*)mutex)); }
int mtx_unlock(mtx_t* mutex) { return from_posix(pthread_mutex_unlock((pthread_mutex_t*)mutex)); }
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy((pthread_mutex_t*)mutex); }

int cnd_init(cnd_t* condition) {
  return from_posix(pthread_cond_init((pthread_cond_t*)condition, NULL));
}
int cnd_signal(cnd_t* condition) {
  return from_posix(pthread_cond_signal((pthread_cond_t*)condition));
}
int cnd_broadcast(cnd_t* condition) {
  return from_posix(pthread_cond_broadcast((pthread_cond_t*)condition));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return from_posix(pthread_cond_wait((pthread_cond_t*)condition, (pthread_mutex_t*)mutex));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const struct timespec* until) {
  return from_posix(
      pthread_cond_timedwait((pthread_cond_t*)condition, (pthread_mutex_t*)mutex, until));
}
void cnd_destroy(cnd_t* condition) { pthread_cond_destroy((pthread_cond_t*)condition); }
