"""Loopscope: makes the hidden problems of event loops visible while they happen."""
