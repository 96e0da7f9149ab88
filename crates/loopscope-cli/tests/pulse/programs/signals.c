/* Signals that arrive inside the poll, and while a loop begins. */
#include "common.h"

static sigjmp_buf out;
static volatile sig_atomic_t seen;

static void notes(int signal)
{
    (void)signal;
    seen++;
}

static void jumps(int signal)
{
    (void)signal;
    siglongjmp(out, 1);
}

static void every(long micros, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, micros}, {0, micros}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupted(int set)
{
    struct epoll_event event;
    every(3000, notes);
    for (int turn = 0; turn < 10; turn++) {
        errno = 0;
        int found = epoll_wait(set, &event, 1, -1);
        printf("%d %d\n", found, errno == EINTR);
    }
}

static void jumped(int set)
{
    for (volatile int turn = 0; turn < 10; turn++) {
        if (sigsetjmp(out, 1) == 0) {
            every(3000, jumps);
            turns(set, 1, -1);
        }
        every(0, notes);
        printf("out\n");
    }
    turns(set, 5, 1);
}

/* The mask of the call lets the signal in, the thread's own does not. */
static void masked(int set)
{
    struct epoll_event event;
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct sigaction action = {.sa_handler = notes};
    sigaction(SIGUSR1, &action, NULL);
    for (int turn = 0; turn < 10; turn++) {
        kill(getpid(), SIGUSR1);
        struct timespec long_wait = {10, 0};
        int found = turn % 2 ? epoll_pwait(set, &event, 1, 10000, &none)
                             : epoll_pwait2(set, &event, 1, &long_wait, &none);
        printf("%d %d %d\n", found, errno == EINTR, (int)seen);
    }
}

/* A profiler's timer fires all the while in each of two hundred processes; the memory file system of
 * many kernels gives up reserving when a signal is pending. */
static void profiled(void)
{
    for (int child = 0; child < 200; child++) {
        if (fork() == 0) {
            every(20, notes);
            int set = epoll_create1(0);
            for (int turn = 0; turn < 40; turn++)
                turns(set, 1, 0);
            every(0, notes);
            _exit(0);
        }
        wait(NULL);
    }
}

int main(int count, char **words)
{
    const char *what = words[count - 1];
    if (is(what, "profiled")) {
        profiled();
        return 3;
    }
    int set = epoll_create1(0);
    turns(set, 6, 1);
    if (is(what, "interrupted"))
        interrupted(set);
    if (is(what, "jumped"))
        jumped(set);
    if (is(what, "masked"))
        masked(set);
    return 3;
}
