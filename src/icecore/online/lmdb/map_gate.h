#pragma once
// Shared by every transaction of a process while it lives, exclusive to who changes the size of the
// map. Who wants to change it goes before transactions that begin later: readers that come one
// after the other never keep it waiting. So no thread may hold it twice.

#include <pthread.h>

namespace icecore::online::lmdb {

class MapGate {
 public:
  MapGate() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~MapGate() { pthread_rwlock_destroy(&lock_); }
  MapGate(const MapGate&) = delete;
  MapGate& operator=(const MapGate&) = delete;

  // As std::shared_mutex.
  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

}  // namespace icecore::online::lmdb
