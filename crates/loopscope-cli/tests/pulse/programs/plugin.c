/* An object that polls, for loader.c. */
#include "common.h"

void polls(void)
{
    turns(epoll_create1(0), 20, 1);
}
