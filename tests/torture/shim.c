/* What lies below the broker when a test wants it to be bad: loaded by LD_PRELOAD, told what to do by a file that
 * both sides map. Only the store's database is touched. Each slot is 8 bytes; `shim.rs` knows their order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct control {
    _Atomic int64_t sync_error;    /* the next sync fails with this errno, once */
    _Atomic int64_t sync_delay;    /* every sync takes so many milliseconds more */
    _Atomic int64_t write_error;   /* the next write fails with this errno, once */
    _Atomic int64_t writes_error;  /* every write fails with this errno */
    _Atomic int64_t clock_seconds; /* the time of day is so far ahead */
    _Atomic int64_t failed_at;     /* when something failed first, nanoseconds of CLOCK_MONOTONIC */
};

static struct control nothing;
static struct control *control = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TORTURE_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(file);
}

static int is_database(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    return length >= 8 && memcmp(path + length - 8, "/sled/db", 8) == 0;
}

static int fail(int64_t error) {
    struct timespec now;
    int64_t never = 0;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    atomic_compare_exchange_strong(&control->failed_at, &never, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    errno = (int)error;
    return -1;
}

int fdatasync(int file) {
    int64_t delay = control->sync_delay;
    if ((control->sync_error || delay) && is_database(file)) {
        struct timespec wait = {delay / 1000, delay % 1000 * 1000000};
        if (delay) nanosleep(&wait, NULL);
        int64_t error = atomic_exchange(&control->sync_error, 0);
        if (error) return fail(error);
    }
    return (int)syscall(SYS_fdatasync, file);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    if ((control->write_error || control->writes_error) && is_database(file)) {
        int64_t error = atomic_exchange(&control->write_error, 0);
        if (!error) error = control->writes_error;
        if (error) return fail(error);
    }
    return syscall(SYS_pwrite64, file, bytes, count, at);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += control->clock_seconds;
    return failed;
}
