"""What a run tells as it happens, and what a conversation holds: events and their order, messages, history.

It is the ground: it imports `errors` and nothing else of ours, and does no IO but for `Conversation.save` and `load`,
which are a file. Begin with `events`; `event_order` is their state table, `conversation` folds them into a history that
any endpoint takes, `protocols` says what a backend and a view are to a run. What keeps all rooms safe stands here, too:
`html_allowlist` and `redaction`, the last looks at what leaves, `text`, the first at what comes, and
`interrupts`, which makes one of several and has each heard.
"""
