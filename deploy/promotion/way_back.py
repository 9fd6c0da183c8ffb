"""The way back of a promotion, and why nothing of it needs a lock, a copy or luck (design §8).

Two directions of one pair of servers share the registry and the office; each has topics of its own, so every feed,
replay, fence and intent there is serves both (`schemas.topics.Topics.is_back`). Everything is an order to an owner:

RETURN   the old source is read from the committed cursors, nothing is written: what is found is the tail, and listed
MERGE    `MERGE` to the old replay (it takes part again, users' work at its target wins), then to the old feed: a new
         generation that names the barrier before it, rounds until one is empty, a barrier. The tail so comes over as
         changes: staged, stamped, settled like any. What both sides changed stays twice, and a Conflict says so.
REVERSE  `TAKE_OVER` to the replay of the other direction (its ledger is the old index, `schemas.turning`), then to its
         feed (its index is the old ledger): one listing, and what id and ChangeKey name is our own and is passed over.
CHECK …  the ordinary planned promotion, of the other direction, by the same table and coordinator.
STRAYS   RETURN and MERGE alone: users stay where they are, the old source is not written to; it may be done again.
FORWARD  `TAKE_OVER` in the first direction, replay before feed, and it mirrors as before.

State: the stage in `control`; what was obeyed in the mailbox records (`returned`, `handed`: the id of the promotion
that asked, `id/2` for a second merge of it). The ledgers of both directions stay, because they know the stamps.
Order: a replay obeys before its feed is asked, so no change comes to a ledger that does not know its items; a mailbox's
record is committed last, so what was taken over in part is taken over anew.
What if we die here? Before a stage's orders: nothing was asked. After them: they are obeyed, and once more is nothing.
In the middle of MERGE: the feed reads on from its cursors, intents are settled by looking, a copy has the key of its
item and ChangeKey, so it is found and not made twice. In the middle of a TAKE_OVER: see above. Between the two of one:
nobody writes, because a feed captures nothing of a mailbox it did not take over, and only MERGE and REVERSE let a
server be written to that came back: before them its replay has no ledger, and its feed stays behind its barrier.
"""
