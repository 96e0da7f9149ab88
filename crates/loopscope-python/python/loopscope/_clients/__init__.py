"""Known clients of other services: their calls are tracked with no decorator, once they have been imported.

One module a library. Each takes the one function that all of a library's calls go through, and says under which
name a call counts. Names are taken from a limited number of words: a host, an agent's name, an operation; never
a path, a query, a header or what was asked.
"""
