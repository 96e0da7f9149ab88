"""Supervised tasks: their restarts, their readiness, their end."""

import asyncio
import logging
import sys

import loopscope
from common import check, kept_of, same, ways

SOON = (0.01, 0.05)

KEPT = kept_of("loopscope.supervisor")


async def forever():
    await asyncio.Event().wait()


async def eventually(what, look):
    deadline = asyncio.get_running_loop().time() + 20
    while not look():
        check(what, asyncio.get_running_loop().time() < deadline)
        await asyncio.sleep(0.005)


def told():
    """What goes to the loop's exception handler."""
    kept = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: kept.append(context))
    return kept


def restarts():
    async def main():
        runs = []

        async def dies():
            runs.append(1)
            if len(runs) < 3:
                raise ValueError("run %d" % len(runs))
            await forever()

        async def ends():
            return 1

        async with loopscope.Supervisor("restarts") as supervisor:
            supervisor.spawn("dies", dies, backoff=SOON)
            supervisor.spawn("ends", ends, backoff=SOON)
            supervisor.spawn("always", ends, restart="always", backoff=SOON)
            await eventually("three runs", lambda: len(runs) == 3)
            dying, ended, always = supervisor.children()
            same("what dies", ("running", 2, "ValueError: run 2"), dying[1:4])
            check("where", dying.site.startswith(__file__ + ":"), dying)
            same("what ends", ("done", 0, None), ended[1:4])
            await eventually("again", lambda: supervisor.children()[2].restarts > 2)
            await supervisor.stop()
            same("stopped", ["stopped", "done", "stopped"], [one.state for one in supervisor.children()])
        same("logged", 2, len(KEPT.lines))

    asyncio.run(asyncio.wait_for(main(), 20))


def gives_up():
    async def main():
        kept = told()

        async def dies(number):
            raise ValueError(number)

        async with loopscope.Supervisor("bots") as supervisor:
            supervisor.spawn("once", dies, 1, restart="never")
            supervisor.spawn("thrice", dies, 2, give_up_after=3, backoff=SOON)
            supervisor.spawn("other", asyncio.sleep, 0.3)
        same("both", 2, len(kept))
        first, second = (context["message"] for context in kept)
        check("once", first.endswith("gave up") and "'once' of 'bots', started at " + __file__ in first, first)
        check("thrice", second.endswith("gave up after 3 failures"), second)
        same("the errors", [1, 2], [context["exception"].args[0] for context in kept])
        same("states", ["gave up", "gave up", "done"], [one.state for one in supervisor.children()])

    asyncio.run(asyncio.wait_for(main(), 20))


def essential():
    async def main():
        told()
        stopped = []

        async def dies():
            await asyncio.sleep(0.02)
            raise ValueError("vital")

        async def other():
            try:
                await forever()
            finally:
                stopped.append(1)

        for waits in (True, False):
            try:
                async with loopscope.Supervisor() as supervisor:
                    group = supervisor.group("inner")
                    supervisor.spawn("other", other)
                    group.spawn("vital", dies, restart="never", essential=True)
                    if not waits:
                        await forever()
            except loopscope.SupervisorError as error:
                check("its cause", isinstance(error.__cause__, ValueError) and "vital" in str(error), error)
            else:
                sys.exit("it ends the block")
            # The task that was in the block goes on.
            await asyncio.sleep(0.01)
        same("stopped", 2, len(stopped))

    asyncio.run(asyncio.wait_for(main(), 20))


def readiness():
    async def main():
        async def serves(port, task_status):
            await asyncio.sleep(0.02)
            task_status.started(port + 1)
            task_status.started("again means nothing")
            await forever()

        async def fails(task_status):
            raise OSError("in use")

        async def ends(task_status):
            pass

        async def hangs(task_status):
            await forever()

        async with loopscope.Supervisor() as supervisor:
            same("its value", 8, await supervisor.start("serves", serves, 7))
            same("running", "running", supervisor.children()[0].state)
            for function, kind, words in [
                (fails, OSError, "in use"),
                (ends, loopscope.SupervisorError, "ended before it was ready"),
                (hangs, loopscope.SupervisorError, "not ready after 0.05 seconds"),
            ]:
                try:
                    await supervisor.start("other", function, timeout=0.05)
                except kind as error:
                    check("why", words in str(error), error)
                else:
                    sys.exit("it does not start")
            try:
                await asyncio.wait_for(supervisor.start("other", hangs), 0.05)
            except asyncio.TimeoutError:
                pass
            else:
                sys.exit("it does not start")
            same("there", ["serves"], [one.name for one in supervisor.children()])
            await supervisor.stop()

    asyncio.run(asyncio.wait_for(main(), 20))


def ready_again():
    """A restart has to become ready too."""
    async def main():
        kept = told()
        runs = []

        async def serves(task_status):
            runs.append(1)
            if len(runs) == 1:
                task_status.started()
                raise ValueError("first")
            await forever()

        async with loopscope.Supervisor() as supervisor:
            await supervisor.start("serves", serves, timeout=0.05, give_up_after=2, backoff=SOON)
        same("runs", 2, len(runs))
        check("why", "not ready" in str(kept[0]["exception"]), kept)

    asyncio.run(asyncio.wait_for(main(), 20))


def order():
    async def main():
        ended = []

        async def child(name):
            try:
                await forever()
            finally:
                await asyncio.sleep(0.01)
                ended.append(name)

        async with loopscope.Supervisor() as supervisor:
            supervisor.spawn("database", child, "database")
            bots = supervisor.group("bots")
            for name in ("anna", "bert"):
                bots.spawn(name, child, name)
            supervisor.spawn("web", child, "web")
            await asyncio.sleep(0.01)
            names = [one.name for one in supervisor.children()]
            same("names", ["database", "bots/anna", "bots/bert", "web"], names)
            await bots.stop_child("anna")
            bots.spawn("anna", child, "anna again")
            await asyncio.sleep(0.01)
            await supervisor.stop()
        same("the order", ["anna", "web", "anna again", "bert", "database"], ended)

    asyncio.run(asyncio.wait_for(main(), 20))


def stubborn():
    async def main():
        may_end = asyncio.Event()

        async def stays():
            while not may_end.is_set():
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    pass

        async def fails_late():
            try:
                await forever()
            finally:
                raise OSError("on the way out")

        async with loopscope.Supervisor(stop_timeout=0.05) as supervisor:
            supervisor.spawn("stays", stays)
            supervisor.spawn("fails late", fails_late)
            await asyncio.sleep(0.01)
            await supervisor.stop()
            late, stayed = KEPT.lines
            check("said", "'fails late' failed as it was stopped: OSError: on the way out" in late, late)
            check("said", "'stays'" in stayed and "left behind" in stayed, stayed)
            may_end.set()

    asyncio.run(asyncio.wait_for(main(), 20))


def wrong():
    async def main():
        supervisor = loopscope.Supervisor()
        try:
            supervisor.spawn("early", forever)
        except RuntimeError:
            pass
        else:
            sys.exit("outside of its block")
        async with supervisor:
            supervisor.spawn("one", forever)
            for arguments, settings, kind in [
                (("one", forever), {}, ValueError),
                (("two", forever), {"restart": "sometimes"}, ValueError),
            ]:
                try:
                    supervisor.spawn(*arguments, **settings)
                except kind:
                    continue
                sys.exit("%r %r is refused" % (arguments, settings))
            await supervisor.stop()
            try:
                supervisor.spawn("late", forever)
            except RuntimeError:
                return
            sys.exit("stopped means stopped")

    asyncio.run(asyncio.wait_for(main(), 20))


def abandoned():
    """The loop ends, and a body that raises."""
    ended = []

    async def child():
        try:
            await forever()
        finally:
            ended.append(1)

    async def body():
        async with loopscope.Supervisor() as supervisor:
            supervisor.spawn("child", child)
            await asyncio.sleep(0.01)
            raise KeyError("the body's own")

    try:
        asyncio.run(body())
    except KeyError as error:
        same("the body's own", ("the body's own",), error.args)
    else:
        sys.exit("it is raised")

    async def left():
        supervisor = loopscope.Supervisor()
        await supervisor.__aenter__()
        supervisor.spawn("child", child)
        await asyncio.sleep(0.01)

    asyncio.run(left())

    async def cancelled():
        async with loopscope.Supervisor() as supervisor:
            supervisor.spawn("child", child)
            await asyncio.sleep(0.01)
            await forever()

    async def main():
        try:
            await asyncio.wait_for(cancelled(), 0.1)
        except asyncio.TimeoutError:
            return
        sys.exit("the time is over")

    asyncio.run(main())
    same("all ended", 3, len(ended))


def seen():
    """A child that gave up stands in the report, with its line."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loopscope.install(listen="off")

    async def bot():
        raise ValueError("token revoked")

    async def main():
        async with loopscope.Supervisor("bots") as supervisor:
            supervisor.spawn("anna", bot, restart="never")
            await eventually("the finding", lambda: "token revoked" in " ".join(loopscope.report()["issues"]))
        return loopscope.report()

    report = asyncio.run(asyncio.wait_for(main(), 20))
    same("one incident", 1, len(report["incidents"]))
    line = bot.__code__.co_firstlineno + 1
    check("its line", any("supervisor.py:%d" % line in issue for issue in report["issues"]), report["issues"])
    loopscope.uninstall()


ways([restarts, gives_up, essential, readiness, ready_again, order, stubborn, wrong, abandoned, seen])
