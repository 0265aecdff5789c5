from chatgate.store.board import LocalBoard


def test_watchers_are_woken_for_their_mailbox_until_they_cancel():
    board, woken = LocalBoard(), []
    one = board.watch(1, lambda: woken.append("one"))
    board.watch(2, lambda: woken.append("two"))
    board.post(1)
    board.post(3)
    one.cancel()
    one.cancel()
    board.post(1)
    board.post(2)
    assert woken == ["one", "two"]


def test_a_watcher_may_cancel_while_it_is_told():
    board, woken = LocalBoard(), []
    watches = []
    for name in "ab":
        watches.append(board.watch(1, lambda name=name: (woken.append(name), [w.cancel() for w in watches])))
    board.post(1)
    board.post(1)
    assert sorted(woken) in (["a"], ["b"], ["a", "b"])
