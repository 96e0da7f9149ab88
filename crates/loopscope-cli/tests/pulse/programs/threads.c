/* Loops in many threads, and threads that are ended from outside. */
#include "common.h"

static pthread_barrier_t all_polled;
static sem_t waiting;

static void *loop(void *unused)
{
    int set = epoll_create1(0);
    turns(set, 4, 0);
    close(set);
    return unused;
}

static void *loop_left_open(void *unused)
{
    pthread_setname_np(pthread_self(), "poller");
    turns(epoll_create1(0), 4, 0);
    return unused;
}

static void *loop_among_many(void *unused)
{
    turns(epoll_create1(0), 4, 0);
    pthread_barrier_wait(&all_polled);
    return unused;
}

static void together(int count, void *(*body)(void *))
{
    pthread_t threads[512];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], &small, body, NULL))
            abort();
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void said(void *word)
{
    printf("%s\n", (const char *)word);
}

static void *waits_for_ever(void *unused)
{
    int set = epoll_create1(0);
    turns(set, 6, 1);
    pthread_cleanup_push(said, "cleaned up");
    sem_post(&waiting);
    turns(set, 1, -1);
    pthread_cleanup_pop(0);
    return unused;
}

/* The cancellation is pending when the thread becomes a loop, which opens files. */
static void *is_cancelled_as_it_begins(void *unused)
{
    int set = epoll_create1(0), old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    turns(set, 2, 0);
    pthread_cancel(pthread_self());
    pthread_cleanup_push(said, "cleaned up");
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    turns(set, 1, -1);
    pthread_cleanup_pop(0);
    return unused;
}

static void cancelled(void *(*body)(void *), int from_outside)
{
    pthread_t thread;
    void *result = NULL;
    sem_init(&waiting, 0, 0);
    if (pthread_create(&thread, NULL, body, NULL))
        abort();
    if (from_outside) {
        sem_wait(&waiting);
        pthread_cancel(thread);
    }
    pthread_join(thread, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
}

int main(int count, char **words)
{
    alarm(30);
    const char *what = words[count - 1];
    /* The first loop of a process makes its recording; others that begin meanwhile are passed over. */
    if (is(what, "crowd") || is(what, "short lived"))
        together(1, loop);
    if (is(what, "exit"))
        together(1, loop_left_open);
    if (is(what, "crowd")) {
        pthread_barrier_init(&all_polled, NULL, 300);
        together(300, loop_among_many);
    }
    if (is(what, "short lived"))
        for (int round = 0; round < 625; round++)
            together(16, loop);
    if (is(what, "cancelled"))
        cancelled(waits_for_ever, 1);
    if (is(what, "cancelled early"))
        cancelled(is_cancelled_as_it_begins, 0);
    return 3;
}
