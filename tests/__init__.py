"""Tests, in the shape of the tree. Threads sleep while they wait here too, as in the commands: before torch is imported."""

from rag_app.waiting_threads import let_threads_sleep

let_threads_sleep()
