"""Drivers, pools and what is built upon them: one module for each, imported once its library has been.

Who counts what, so that nothing is counted twice: a driver counts its connections and its statements, whoever
uses it, SQLAlchemy included. A pool counts who waits for its connections and how many are taken, and is what
the connections are counted under that were made for it.

Functions are looked on without a frame between the program and the library. Only coroutine functions get one,
since nothing else sees the end of a coroutine and leaves it what it is.
"""
