"""Hops to the denoise worker and clean hops back through one piece of shared memory.

The memory is anonymous (`memfd_create`) and reaches the worker as an inherited file descriptor, so nothing has a name
that could be left behind or removed too early. Every stream has a slot with a ring of hops towards the worker, which
takes one of each as a batch. The way back is one ring for all: the server takes out whatever is there, and gives each
stream its own. Each ring has one writer, which writes the audio first and moves its counter after. Two eventfds wake
the other side, once a tick. Whatever one side finds in the memory may come from a process that has died half-way:
counters move only once an entry is whole, and every entry carries the generation of its slot, so that answers from
before a reset are told apart.

A process that was woken after 10 ms runs code that no cache holds any more: the first call of each of numpy's functions
can take as long as copying the audio of 64 streams. So there are few of them between a wake-up and the answer, and
what can be found out beforehand or afterwards is.

Shapes: N slots, rings of RING hops, the one back of N · RING, hops of 480 samples.
"""
