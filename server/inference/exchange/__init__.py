"""Hops to the denoise worker and clean hops back through one piece of shared memory.

The memory is anonymous (`memfd_create`) and reaches the worker as an inherited file descriptor, so nothing has a name
that could be left behind or removed too early. Every stream has a slot: a ring of hops towards the worker and one
back. Each ring has one writer, which writes the audio first and moves its counter after. Two eventfds wake the other
side, once a tick. Whatever one side finds in the memory may come from a process that has died half-way: counters move
only once an entry is whole, and every entry carries the generation of its slot, so that answers from before a reset
are told apart. Audio is copied for all streams at once, because a call for each costs several times the copy.

Shapes: N slots, rings of RING hops, hops of 480 samples.
"""
