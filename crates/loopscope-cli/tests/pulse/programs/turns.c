/* One thread and its sets. */
#include "common.h"

#include <dlfcn.h>

#define WAIT_MILLIS 20

/* Prints, for each turn, the instants right before and right after its poll: not the same in two runs. */
static void busy(void)
{
    struct epoll_event event;
    int set = epoll_create1(0);
    for (int turn = 0; turn < 12; turn++) {
        long long before = now();
        epoll_wait(set, &event, 1, WAIT_MILLIS);
        printf("%lld %lld\n", before, now());
        spin(turn == 4 || turn == 8 ? 130 : 3);
    }
    long long before = now();
    epoll_wait(set, &event, 1, WAIT_MILLIS);
    printf("%lld %lld\n", before, now());
}

extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);

static int one_poll(const char *call, int set, int *pipes, int timeout_millis)
{
    struct epoll_event event;
    struct pollfd two[2] = {{pipes[0], POLLIN, 0}, {pipes[2], POLLIN, 0}};
    struct timespec exact = {0, timeout_millis * MILLIS};
    struct timeval rough = {0, timeout_millis * 1000};
    fd_set read;
    FD_ZERO(&read);
    FD_SET(pipes[0], &read);
    FD_SET(pipes[2], &read);
    int most = pipes[2] + 1;
    if (is(call, "epoll_wait"))
        return epoll_wait(set, &event, 1, timeout_millis);
    if (is(call, "epoll_pwait"))
        return epoll_pwait(set, &event, 1, timeout_millis, NULL);
    if (is(call, "epoll_pwait2"))
        return epoll_pwait2(set, &event, 1, &exact, NULL);
    if (is(call, "poll"))
        return poll(two, 2, timeout_millis);
    if (is(call, "ppoll"))
        return ppoll(two, 2, &exact, NULL);
    if (is(call, "__poll_chk"))
        return __poll_chk(two, 2, timeout_millis, sizeof two);
    if (is(call, "__ppoll_chk"))
        return __ppoll_chk(two, 2, &exact, NULL, sizeof two);
    if (is(call, "select"))
        return select(most, &read, NULL, NULL, &rough);
    if (is(call, "pselect"))
        return pselect(most, &read, NULL, NULL, &exact, NULL);
    abort();
}

/* Forty polls by one call. */
static void variant(const char *call, int timeout_millis)
{
    int pipes[4];
    if (pipe(pipes) || pipe(pipes + 2))
        abort();
    int set = epoll_create1(EPOLL_CLOEXEC);
    for (int turn = 0; turn < 40; turn++) {
        errno = EDOM;
        int found = one_poll(call, set, pipes, timeout_millis);
        printf("%d %d\n", found, errno);
    }
}

/* Endless waits that are ready at once, from a set that always is. */
static void endless(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0), ready = eventfd(1, 0);
    epoll_ctl(set, EPOLL_CTL_ADD, ready, &event);
    for (int turn = 0; turn < 40; turn++)
        printf("%d\n", epoll_wait(set, &event, 1, -1));
}

static void client(void)
{
    int pipes[2];
    if (pipe(pipes))
        abort();
    struct pollfd one = {pipes[0], POLLIN, 0};
    for (int turn = 0; turn < 100; turn++)
        poll(&one, 1, 0);
}

static void sleeper(void)
{
    for (int turn = 0; turn < 100; turn++) {
        struct timeval rest = {0, 10};
        select(0, NULL, NULL, NULL, &rest);
    }
}

/* A driver that makes a set for each wait, whose number is always the same. */
static void driver(int rounds)
{
    for (int round = 0; round < rounds; round++) {
        int set = epoll_create1(0);
        turns(set, 1, 0);
        close(set);
    }
}

static void nested(void)
{
    int outer = epoll_create1(0), inner = epoll_create1(0);
    turns(outer, 6, 1);
    for (int step = 0; step < 10; step++) {
        spin(13);
        turns(inner, 1, 1);
    }
    turns(outer, 6, 1);
}

static void nested_driver(void)
{
    int outer = epoll_create1(0);
    turns(outer, 6, 1);
    driver(100);
    spin(130);
    turns(outer, 6, 1);
}

/* A handler that waits for one answer, with a hundred time-outs, in a set of its own. */
static __attribute__((noinline)) void patient_handler(void)
{
    volatile char frame[4096];
    memset((void *)frame, 1, sizeof frame);
    int set = epoll_create1(0);
    turns(set, 100, 2);
    close(set);
    if (frame[4095] != 1)
        abort();
}

static void patient(void)
{
    int outer = epoll_create1(0);
    turns(outer, 6, 1);
    patient_handler();
    turns(outer, 6, 1);
}

static void talkative_child(void)
{
    int pipes[4], outer = epoll_create1(0);
    if (pipe(pipes) || pipe(pipes + 2))
        abort();
    struct pollfd two[2] = {{pipes[0], POLLIN, 0}, {pipes[2], POLLIN, 0}};
    turns(outer, 6, 1);
    for (int step = 0; step < 60; step++) {
        spin(2);
        poll(two, 2, 1);
    }
    turns(outer, 6, 1);
}

/* What an agent says to the pulse, where there is one: a loop is about to run on this thread. */
static void expect_loop(void)
{
    struct handed {
        uint64_t version;
        void *epoch;
        const unsigned char *(*begin)(void);
        void (*expect_loop)(void);
    };
    struct handed *(*hand_over)(void) = dlsym(RTLD_DEFAULT, "loopscope_pulse_hand_over");
    if (!hand_over)
        return;
    hand_over()->begin();
    hand_over()->expect_loop();
}

/* Polls the first of these pipes, and up to two more: a loop that has clients. */
static __attribute__((noinline)) void poll_clients(const int *pipes, int clients, int timeout_millis)
{
    struct pollfd set[3] = {{pipes[0], POLLIN, 0}, {pipes[2], POLLIN, 0}, {pipes[4], POLLIN, 0}};
    poll(set, 1 + clients, timeout_millis);
}

static __attribute__((noinline)) void select_clients(const int *pipes, int clients, int timeout_millis)
{
    struct timeval rest = {0, timeout_millis * 1000};
    fd_set read;
    FD_ZERO(&read);
    for (int client = 0; client <= clients; client++)
        FD_SET(pipes[4 - 2 * client], &read);
    select(pipes[4] + 1, &read, NULL, NULL, &rest);
}

static void open_pipes(int *pipes)
{
    if (pipe(pipes) || pipe(pipes + 2) || pipe(pipes + 4))
        abort();
}

/* A loop that an agent spoke of. Its clients come and go with each turn. */
static void expected(const char *call)
{
    int pipes[6];
    open_pipes(pipes);
    expect_loop();
    for (int turn = 0; turn < 40; turn++)
        (is(call, "poll") ? poll_clients : select_clients)(pipes, turn % 3, 1);
}

static __attribute__((noinline)) void expected_handler(const int *pipes)
{
    volatile char frame[4096];
    memset((void *)frame, 1, sizeof frame);
    struct pollfd answer = {pipes[4], POLLIN, 0};
    for (int step = 0; step < 100; step++)
        poll(&answer, 1, 2);
    if (frame[4095] != 1)
        abort();
}

/* The same with a handler that waits for an answer. */
static void expected_patient(void)
{
    int pipes[6];
    open_pipes(pipes);
    expect_loop();
    for (int turn = 0; turn < 12; turn++) {
        poll_clients(pipes, 0, 1);
        if (turn == 6)
            expected_handler(pipes);
    }
}

static void takeover(void)
{
    int first = epoll_create1(0), second = epoll_create1(0);
    turns(first, 6, 1);
    turns(second, 40, 1);
    printf("%d\n", second);
}

static void renewed(int bare)
{
    int set = epoll_create1(0);
    turns(set, 6, 1);
    if (bare)
        syscall(SYS_close, set);
    else
        close(set);
    spin(150);
    int again = epoll_create1(0);
    printf("%d\n", set == again);
    turns(again, 6, 1);
}

static void refused(void)
{
    struct epoll_event event;
    struct pollfd *volatile nowhere = NULL;
    int set = epoll_create1(0), pipes[2];
    if (pipe(pipes))
        abort();
    for (int turn = 0; turn < 20; turn++) {
        errno = 0;
        int results[] = {
            epoll_wait(-1, &event, 1, 0),        errno, epoll_wait(pipes[0], &event, 1, 0), errno,
            epoll_wait(set, &event, 0, 0),       errno, poll(nowhere, 2, 0),                errno,
            select(-1, NULL, NULL, NULL, NULL),  errno, close(-1),                          errno,
            epoll_create(0),                     errno, epoll_create1(-1),                  errno,
        };
        for (size_t i = 0; i < sizeof results / sizeof *results; i++)
            printf("%d ", results[i]);
        printf("\n");
    }
}

static void ending(const char *how)
{
    turns(epoll_create1(0), 6, 1);
    if (is(how, "exit"))
        exit(4);
    if (is(how, "_exit"))
        _exit(5);
    if (is(how, "_Exit"))
        _Exit(6);
    if (is(how, "kill"))
        kill(getpid(), SIGKILL);
}

/* A daemon that wipes its environment before it begins. */
static void forgetful(void)
{
    clearenv();
    turns(epoll_create1(0), 20, 0);
}

/* A loop in a process that may not have what a recording takes. */
static void limited(const char *what)
{
    struct rlimit limit = {0, 0};
    if (is(what, "file size"))
        limit.rlim_cur = limit.rlim_max = 8192;
    int set = epoll_create1(0);
    setrlimit(is(what, "file size") ? RLIMIT_FSIZE : RLIMIT_NOFILE, &limit);
    turns(set, 20, 0);
    printf("done\n");
}

int main(int count, char **words)
{
    alarm(30);
    const char *what = words[1], *more = count > 2 ? words[2] : "";
    if (is(what, "busy"))
        busy();
    if (is(what, "variant"))
        variant(more, atoi(words[3]));
    if (is(what, "endless"))
        endless();
    if (is(what, "client"))
        client();
    if (is(what, "sleeper"))
        sleeper();
    if (is(what, "driver"))
        driver(100);
    if (is(what, "nested"))
        nested();
    if (is(what, "nested driver"))
        nested_driver();
    if (is(what, "patient"))
        patient();
    if (is(what, "talkative child"))
        talkative_child();
    if (is(what, "expected"))
        expected(more);
    if (is(what, "expected patient"))
        expected_patient();
    if (is(what, "takeover"))
        takeover();
    if (is(what, "renewed"))
        renewed(is(more, "bare"));
    if (is(what, "refused"))
        refused();
    if (is(what, "ending"))
        ending(more);
    if (is(what, "forgetful"))
        forgetful();
    if (is(what, "limited"))
        limited(more);
    return 3;
}
