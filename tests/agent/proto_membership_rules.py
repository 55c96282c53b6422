"""The rules of the view: who is asked, what is taken, what is given up, who is remembered."""

from backfence.agent import question as how
from backfence.agent.contacts import OLD, RECENT
from backfence.agent.descriptor import REACHABLE, Descriptor, pack_all
from backfence.agent.limits import PARTNERS, QUESTIONS, REFERRED, SHUFFLE, STRANGER_BURST, SWAPS, VIEW
from backfence.agent.membership import LIFE_ROUNDS, REFERRALS, TIMEOUTS, TRIES
from backfence.agent.partners import ENOUGH, TRIAL_ROUNDS, Partners
from backfence.agent.rng import Rng
from backfence.agent.wire import seal
from lan import Lan
from proto_membership import ask, ghost, told

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


def links(lan, count, first=0, age=0, flags=REACHABLE):
    """Put `count` ghosts into node 0's view."""
    for i in range(first, first + count):
        lan.nodes[0].membership.view[ghost(i).id] = ghost(i, age, flags)


def asked(node):
    """[(how, identity)] of the questions under way."""
    return sorted([(q.how, q.peer.id) for q in node.membership._questions.values()])


def test_the_oldest_is_asked_and_the_hidden_oldest_leaves_unasked():
    lan = Lan(1)
    node = lan.nodes[0]
    links(lan, VIEW - 1)
    links(lan, 1, 50, age=9)
    node.membership._begin(False)
    assert asked(node) == [(how.LINK, ghost(50).id)] and ghost(50).id not in node.membership.view
    links(lan, 1, 60, age=9, flags=0)
    node.membership._begin(False)
    assert ghost(60).id not in node.membership.view and len(node.membership.view) == VIEW - 1
    kept = [id for kind, id in asked(node) if kind == how.KEPT]
    assert len(kept) == 1 and kept[0] in node.membership.view


def test_a_hidden_link_that_nobody_renews_leaves_a_view_with_room():
    lan = Lan(1)
    node = lan.nodes[0]
    links(lan, 3, flags=0)
    for _ in range(LIFE_ROUNDS):
        node.membership._round()
    assert len(node.membership.view) == 3
    node.membership._round()
    assert not node.membership.view
    # Nor does hearsay bring it back: it is too old by then.
    node.membership._insert(ghost(1, LIFE_ROUNDS + 1, 0), [])
    assert not node.membership.view and node.membership.alone()


def test_copies_of_a_link_do_not_keep_each_other_young():
    lan = Lan(1)
    membership = lan.nodes[0].membership
    links(lan, 1, 1, age=10)
    membership._insert(ghost(1, 9), [])
    assert membership.view[ghost(1).id].age == 10
    membership._insert(ghost(1, 2), [])
    assert membership.view[ghost(1).id].age == 2


def fill(partners, count=40):
    """Let ghosts take every place."""
    for i in range(100, 100 + count):
        partners.keep(ghost(i))


def test_partners_are_asked_in_turn_and_the_oldest_link_leaves_unasked():
    lan = Lan(1)
    membership = lan.nodes[0].membership
    links(lan, VIEW)
    fill(membership.partners)
    oldest = max(membership.view.values(), key=lambda d: d.age)
    oldest.age = 5
    membership._begin(False)
    assert asked(lan.nodes[0])[0][0] == how.PARTNER and oldest.id not in membership.view
    assert membership.find(asked(lan.nodes[0])[0][1]) is None and asked(lan.nodes[0])[0][1] in membership.partners
    turns = [membership.partners.next().id for _ in range(2 * PARTNERS)]
    assert turns[:PARTNERS] == turns[PARTNERS:] and len(set(turns)) >= ENOUGH and set(turns) == {p.id for p in membership.partners.some(PARTNERS)}
    # Without enough, or while links are silent, the oldest link is asked, and one round in eight a partner too.
    membership._questions = {}
    membership._calm = 9
    found = []
    for membership.rounds in range(16):
        links(lan, VIEW)
        membership._begin(False)
        found.append([kind for kind, _ in asked(lan.nodes[0])])
        membership._questions = {}
    assert found == ([[how.LINK, how.PARTNER]] + [[how.LINK]] * 7) * 2
    # Never more questions than there may be: a partner besides needs room for two.
    membership.rounds = 0
    for count in range(1, QUESTIONS + 2):
        membership._begin(False)
        assert len(membership._questions) <= QUESTIONS
    membership._questions = {}
    membership._calm = 0
    links(lan, VIEW)
    for id in turns[:PARTNERS]:
        if membership.partners.enough():
            membership.partners.drop(id)
    assert len(membership.partners) == ENOUGH - 1
    membership._begin(False)
    assert asked(lan.nodes[0])[0][0] == how.LINK


def test_partners_are_a_sample_of_boxes_and_not_of_words():
    boxes, liars, places, bad = 30, 10, 0, 0
    for seed in range(12):
        partners = Partners(Rng(b"%d" % seed))
        for turn in range(5):
            for i in range(liars):
                partners.keep(ghost(i))
        for i in range(liars, boxes + liars):
            partners.keep(ghost(i))
        for partner in partners.some(PARTNERS):
            places += 1
            bad += int(partner.id < ghost(liars).id)
    # A quarter of the boxes lie; they were met five times as often, and first.
    assert places == 12 * PARTNERS and 0.12 < bad / places < 0.4


def test_who_was_only_named_is_tried_first_and_sits_nowhere_until_it_answers():
    lan = Lan(1, round_ms=600000)
    node = lan.nodes[0]
    partners = node.membership.partners
    node.membership._named(node.descriptor())
    assert partners.whom() == (None, how.PARTNER)
    links(lan, VIEW)
    fill(partners)
    before = [p.id for p in partners.some(PARTNERS)]
    for i in range(500, 600):
        partners.hear(ghost(i))
        partners.hear(ghost(i, 0, 0))
    assert sorted(before) == sorted([p.id for p in partners.some(PARTNERS)])
    tried = []
    for _ in range(2 * TRIAL_ROUNDS):
        node.membership._begin(False)
        tried.append(asked(node)[0])
        node.membership._questions = {}
        links(lan, VIEW)
    trials = [id for kind, id in tried if kind == how.TRIAL]
    assert len(trials) == 1 and trials[0] not in partners and trials[0] != node.id
    # It is silent: nothing heals, and others are not asked in its stead as if links were silent.
    node.membership._ask(ghost(599), how.TRIAL)
    node.membership._missed(list(node.membership._questions.values())[0], True)
    assert not node.membership._healing and not node.membership._calm
    assert [kind for kind, _ in asked(node)] == [how.PARTNER]
    partners.keep(ghost(int(trials[0].decode())))
    assert trials[0] in partners


def test_a_partner_that_is_gone_leaves_its_place_to_others_and_a_moved_one_is_known_where_it_is():
    partners = Partners(Rng(b"gone"))
    for i in range(40):
        partners.keep(ghost(i))
    gone = partners.next()
    moved = Descriptor(gone.id, bytes((10, 9, 9, 9, 1, 1)))
    partners.keep(moved)
    assert [p.addr for p in partners.some(PARTNERS) if p.id == gone.id][0] == moved.addr
    partners.drop(gone.id)
    assert gone.id not in partners and len(partners.some(PARTNERS)) < PARTNERS
    for i in range(40):
        if ghost(i).id != gone.id:
            partners.keep(ghost(i))
    assert len(partners.some(PARTNERS)) == PARTNERS and gone.id not in partners


def test_a_shuffle_names_a_partner_and_who_asks_may_be_one_when_there_are_enough():
    lan = Lan(3, round_ms=600000, busy_round_ms=600000)
    node, asker = lan.nodes[0], lan.nodes[1]
    node.membership.partners.keep(lan.descriptor(2))
    asker.membership._ask(lan.descriptor(0), how.LINK)
    lan.run(2000)
    assert asker.id not in node.membership.partners and node.id in asker.membership.partners
    assert asker.membership.partners._trial.id == lan.nodes[2].id and lan.nodes[2].id not in asker.membership.view
    fill(node.membership.partners)
    for place in range(PARTNERS):
        node.membership.partners._ranks[place] = 65535  # whoever comes is first
    asker.membership._ask(lan.descriptor(0), how.LINK)
    lan.run(2000)
    assert asker.id in node.membership.partners


def test_a_silent_partner_heals_nothing_and_a_silent_link_does():
    lan = Lan(1, round_ms=600000)
    node = lan.nodes[0]
    links(lan, VIEW)
    node.membership._ask(ghost(99), how.PARTNER)
    node.membership._timeouts = TIMEOUTS
    node.membership._missed(list(node.membership._questions.values())[0], True)
    assert not node.membership._healing and node.is_tombstoned(ghost(99).id)
    node.membership._ask(ghost(98), how.LINK)
    node.membership._missed(list(node.membership._questions.values())[0], True)
    assert node.membership._healing and node.membership._calm


def test_at_most_three_silent_peers_a_round():
    lan = Lan(1, round_ms=600000, busy_round_ms=600000)
    node = lan.nodes[0]
    links(lan, VIEW)
    for expected in (TIMEOUTS, 2 * TIMEOUTS):
        node.membership._round()
        lan.run(60000)
        assert node.counters["shuffle_timeouts"] == expected and not node.membership._questions
    assert len(node.membership.view) == VIEW - 2 * TIMEOUTS and lan.nodes[0].counters["shuffles"] == 2 * TIMEOUTS


def test_questions_under_way_are_few_and_give_nothing_twice():
    lan = Lan(1)
    membership = lan.nodes[0].membership
    links(lan, VIEW)
    for _ in range(QUESTIONS + 2):
        membership._begin(False)
    sent = []
    for question in membership._questions.values():
        sent += question.sent
    assert len(membership._questions) == QUESTIONS and len(sent) == len(set(sent)) == QUESTIONS * (SHUFFLE - 1)


def test_while_healing_the_oldest_leave_and_no_more_is_taken_than_given():
    lan = Lan(1)
    membership = lan.nodes[0].membership
    links(lan, VIEW - 2)
    links(lan, 2, 50, age=20)
    given = [ghost(i).id for i in range(3)]
    membership._healing = 1
    membership._merge([ghost(i, 1) for i in range(100, 100 + SHUFFLE)], given)
    assert ghost(50).id not in membership.view and ghost(51).id not in membership.view
    assert len([id for id in membership.view if id >= ghost(100).id]) == 2, "the others are older than what is left"
    membership._healing = 0
    membership._merge([ghost(i, 1) for i in range(200, 200 + SHUFFLE)], given)
    assert len(membership.view) == VIEW and not [id for id in given if id in membership.view]
    assert len([id for id in membership.view if id >= ghost(200).id]) == 3


def test_who_asks_too_often_gets_links_and_leaves_none():
    lan = Lan(3)
    node = lan.nodes[0]
    links(lan, VIEW)
    node.membership._round_ms = lan.now_ms + 600000
    answers = told(lan, 1)
    ask(lan, 1, 1, pack_all([lan.descriptor(1), ghost(101)]))
    assert ghost(101).id in node.membership.view and node.counters["swaps_limited"] == 0
    before = sorted(node.membership.view)
    ask(lan, 1, 2, pack_all([lan.descriptor(1), ghost(102)]))
    assert sorted(node.membership.view) == before and node.counters["swaps_limited"] == 1 and len(answers[1][1]) > 0
    node.membership._swapped = [b""] * SWAPS
    ask(lan, 2, 3, pack_all([lan.descriptor(2), ghost(103)]))
    assert sorted(node.membership.view) == before and node.counters["swaps_limited"] == 2


def test_a_greeting_that_is_given_up_ends_the_question():
    lan = Lan(2, round_ms=600000, busy_round_ms=600000)
    node = lan.nodes[0]
    links(lan, 1)
    node.membership._round()
    lan.run(4000)
    assert node.counters["peers_unreachable"] == 1 and not node.membership._questions
    assert node.counters["shuffle_timeouts"] == 1 and node.counters["shuffle_retries"] <= TRIES
    assert not node.is_tombstoned(ghost(0).id), "it may only limit strangers"


def test_old_contacts_are_of_all_times_and_never_forgotten_for_silence():
    lan = Lan(1)
    contacts = lan.nodes[0].membership.remembered
    for i in range(2000):
        contacts.met(ghost(i))
        contacts.met(ghost(i, 0, 0))
    known = [int(contact.id.decode()) for contact in contacts.all()]
    assert known[:RECENT] == [1996, 1997, 1998, 1999] and len(known) == RECENT + OLD
    assert min(known) < 1500 and max(known[RECENT:]) < 1996
    moved = Descriptor(ghost(known[-1]).id, bytes((10, 9, 9, 9, 1, 1)))
    contacts.met(moved)
    assert contacts.all()[-1].addr == moved.addr
    contacts.save()
    lan.restart(0)
    assert [int(contact.id.decode()) for contact in lan.nodes[0].membership.contacts] == known
    lan.run(60000)
    assert lan.nodes[0].counters["shuffle_timeouts"] > 3 and len(lan.nodes[0].membership.contacts) == RECENT + OLD


def test_torn_contacts_are_no_contacts():
    lan = Lan(1)
    for data in (b"", b"\x40", b"\x83\x01\x41\x00\x40", b"\x83\x01\x40"):
        lan.nodes[0].store.save_state("contacts", data)
        lan.restart(0)
        assert lan.nodes[0].membership.contacts == [] and lan.nodes[0].counters["store_errors"] == 1


def busy(lan, number):
    """Leave a box no token for strangers."""
    gate = lan.nodes[number].peers.gate
    gate._tokens, gate._token_ms = 0, lan.now_ms + 600000


def test_a_busy_contact_names_others_and_they_are_asked():
    lan = Lan(4)
    lan.nodes[1].membership.join([lan.descriptor(0)])
    lan.nodes[2].membership.join([lan.descriptor(0)])
    lan.run(4000)
    busy(lan, 0)
    lan.nodes[3].membership.join([lan.descriptor(0)])
    lan.run(2000)
    assert lan.nodes[0].counters["strangers_limited"] >= 1
    assert lan.nodes[1].id in lan.nodes[3].membership.view and lan.nodes[2].id in lan.nodes[3].membership.view
    assert lan.nodes[3].counters["hellos"] + len(lan.nodes[3].peers.table) >= 2


def test_referrals_are_counted_short_and_heard_from_whom_we_greet_only():
    lan = Lan(2)
    node = lan.nodes[0]
    node.membership._ask(lan.descriptor(1), how.LINK)
    hail = node.peers.hails[lan.nodes[1].id]
    named = pack_all([ghost(i) for i in range(REFERRED)])
    head = bytes((seal.REFER,)) + hail.index
    hail.hello = b"sent"
    for data in (head + bytes(16) + named, bytes((seal.REFER,)) + b"none" + hail.nonce + named, head + hail.nonce,
                 head + hail.nonce + named[:-1], head + hail.nonce + named + ghost(9).pack()):
        node.receive(data, lan.address(1), lan.now_ms)
        assert not node.membership.view and lan.nodes[1].id in node.peers.hails
    node.membership._referrals = REFERRALS
    node.receive(head + hail.nonce + named, lan.address(1), lan.now_ms)
    assert not node.membership.view and lan.nodes[1].id in node.peers.hails
    node.membership._referrals = 0
    node.receive(head + hail.nonce + named, lan.address(1), lan.now_ms)
    assert len(node.membership.view) == REFERRED - 1 and lan.nodes[1].id not in node.peers.hails
    assert asked(node)[0][1] not in node.membership.view and node.counters["shuffle_timeouts"] == 0


def test_a_referral_is_no_longer_than_the_hello():
    lan = Lan(2)
    hello = bytes(seal.HELLO_HEAD + seal.PARTY_FIXED + seal.TAG_BYTES)
    for size in (2, REFERRED, 30):
        table = lan.nodes[0].peers.table
        for i in range(size):
            peer = Descriptor(ghost(i).id, bytes(16) + b"\x01\x01", 0, seal.FLAG_REACHABLE)
            peer_like(table, peer)
        lan.nodes[0].peers._refer(hello, lan.address(1))
        data, addr = lan.nodes[0].datagrams()[0]
        assert len(data) <= len(hello) and addr == lan.address(1)


class peer_like:
    """A row of the table of peers with just what a referral reads of it."""

    current = True

    def __init__(self, table, box):
        self.id, self.seen, self.flags = box.id, box.addr, box.flags
        self.addr = box.addr
        table[box.id] = self


def test_a_burst_of_joiners_all_get_in_through_one():
    lan = Lan(STRANGER_BURST + 8, round_ms=600000, busy_round_ms=600000)
    for i in range(1, len(lan.nodes)):
        lan.nodes[i].membership._ask(lan.descriptor(0), how.LINK)
    lan.run(1500)
    assert lan.nodes[0].counters["strangers_limited"] >= 1
    for node in lan.nodes[1:]:
        assert node.membership.view, "nobody waits for a token"
