"""What a connection remembers of the mailboxes it looked into."""

from chatgate_imap.session.reminder import Reminder


def test_it_is_due_once_for_what_lies_unfetched():
    reminder = Reminder()
    assert reminder.due(1, 5)
    reminder.told(1, 5)
    assert not reminder.due(1, 5) and reminder.due(1, 6)
    reminder.fetched(1, 3)
    assert reminder.due(1, 5)
    reminder.fetched(1, 5)
    assert not reminder.due(1, 5)


def test_one_connection_can_make_and_delete_as_many_mailboxes_as_it_likes():
    reminder = Reminder()
    for mailbox_id in range(3000):
        reminder.fetched(mailbox_id, 7)
        reminder.told(mailbox_id, 7)
    assert len(reminder._fetched) == len(reminder._told) == 1000
    assert not reminder.due(2999, 7) and reminder.due(0, 7)
