/* Processes that are made from a process with a loop. */
#include "common.h"

static unsigned char before[1 << 20], after[1 << 20];
static int set;
static const char *own_name;

static void wait_for(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    printf("child %d\n", status);
}

/* Whether the parent's recording is, to the byte, what it was before the child ran. */
static void compare(size_t bytes)
{
    printf("untouched %d\n", own_recording(after, sizeof after) == bytes && !memcmp(before, after, bytes));
}

static pid_t plain_fork(void)
{
    return fork();
}

static pid_t bare_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void child_polls(pid_t (*make)(void))
{
    size_t bytes = own_recording(before, sizeof before);
    fflush(stdout);
    pid_t child = make();
    if (child == 0) {
        turns(set, 8, 1);
        int other = epoll_create1(0);
        turns(other, 8, 1);
        close(set);
        _exit(7);
    }
    wait_for(child);
    compare(bytes);
    turns(set, 4, 1);
}

static void *idles(void *unused)
{
    pause();
    return unused;
}

static void borrowed(void)
{
    size_t bytes = own_recording(before, sizeof before);
    pid_t child = vfork();
    if (child == 0) {
        close(set);
        _exit(0);
    }
    wait_for(child);
    compare(bytes);
    turns(set, 4, 1);
    fflush(stdout);
    kill(getpid(), SIGKILL);
}

static void spawned(void)
{
    size_t bytes = own_recording(before, sizeof before);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, set);
    char *words[] = {(char *)own_name, "plain", NULL};
    extern char **environ;
    pid_t child;
    fflush(stdout);
    if (posix_spawn(&child, own_name, &actions, NULL, words, environ))
        abort();
    wait_for(child);
    compare(bytes);
}

static void replaced(int in_child)
{
    fflush(stdout);
    pid_t child = in_child ? fork() : 0;
    if (child == 0) {
        execl(own_name, own_name, "plain", NULL);
        abort();
    }
    wait_for(child);
}

/* The handler forks while the poll waits; its child returns into the poll and out of it. */
static pid_t parent;
static void forks(int signal)
{
    (void)signal;
    size_t bytes = own_recording(before, sizeof before);
    pid_t child = fork();
    if (child == 0)
        return;
    wait_for(child);
    compare(bytes);
}

static void forked_in_handler(void)
{
    struct sigaction action = {.sa_handler = forks};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    parent = getpid();
    fflush(stdout);
    setitimer(ITIMER_REAL, &soon, NULL);
    turns(set, 1, 10000);
    if (getpid() != parent)
        _exit(7);
    turns(set, 4, 1);
}

int main(int count, char **words)
{
    alarm(30);
    own_name = words[0];
    const char *what = words[count - 1];
    set = epoll_create1(0);
    turns(set, 6, 1);
    if (is(what, "fork"))
        child_polls(plain_fork);
    if (is(what, "clone"))
        child_polls(bare_clone);
    if (is(what, "_Fork"))
        child_polls(_Fork);
    if (is(what, "clone among threads")) {
        pthread_t other;
        pthread_create(&other, NULL, idles, NULL);
        child_polls(bare_clone);
    }
    if (is(what, "vfork"))
        borrowed();
    if (is(what, "spawn"))
        spawned();
    if (is(what, "exec"))
        replaced(0);
    if (is(what, "fork and exec"))
        replaced(1);
    if (is(what, "fork in handler"))
        forked_in_handler();
    return 3;
}
