/* What the programs share. Each one does what its first argument says, and prints only what is the same
 * with and without the pulse, unless it says otherwise. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILLIS 1000000LL

static inline long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000 * MILLIS + at.tv_nsec;
}

static inline void spin(long long millis)
{
    long long until = now() + millis * MILLIS;
    while (now() < until)
        ;
}

static inline void turns(int set, int count, int timeout_millis)
{
    struct epoll_event event;
    for (int turn = 0; turn < count; turn++)
        epoll_wait(set, &event, 1, timeout_millis);
}

static inline int is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* The program's own recording, found by its mapping and read as it is in the file; 0 bytes without one. */
static inline size_t own_recording(unsigned char *to, size_t most)
{
    char line[4096], path[4096] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, ".loopscope"))
            sscanf(line, "%*s %*s %*s %*s %*s %4095s", path);
    if (maps)
        fclose(maps);
    int file = open(path, O_RDONLY);
    ssize_t bytes = file < 0 ? 0 : read(file, to, most);
    if (file >= 0)
        close(file);
    return bytes < 0 ? 0 : (size_t)bytes;
}
