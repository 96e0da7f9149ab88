//! Reads a running Python process from outside: threads, stacks, loops and tasks
