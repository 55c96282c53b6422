"""Every cap of the node's core, with the reason for its number.

A cap is never raised by a peer: what does not fit is dropped by the rule named
beside it and counted under a name in counters.py.  The caps of the wire
decoders, the container and the MQTT client stand at the top of their own files.
"""

from .compat import const

# A UDP payload that crosses every path unfragmented: IPv6's minimum MTU of
# 1,280, less 48 bytes of headers, with room for a tunnel.
DATAGRAM_BYTES = const(1200)
# What one message may hold inside the envelope (27 bytes) of one datagram.
MESSAGE_BYTES = const(1160)
# Datagrams waiting for the edge to send them; the edge drains after each call,
# so more than this is a runaway.  Newest dropped: "datagrams_unsent".
UNSENT_DATAGRAMS = const(64)

# Partial view: the papers' c.  Bounded by construction (shuffles swap).
VIEW = const(20)
# Descriptors in one shuffle: at c = 20 the in-degrees' deviation is 1.4 with 6
# and 1.5 with Cyclon's 8.
SHUFFLE = const(6)
# Shuffles of our own under way: one at the usual round; at busy rounds a silent
# box is found out in the time of three.  No round begins one beyond that.
QUESTIONS = const(3)
# Boxes that are asked in turn, a random sample; their keys must stay.  Where three tenths of a
# fleet lie, one box in a million has liars alone.  Who comes before another takes its place.
PARTNERS = const(12)
# Swaps taken part in for others within one of our rounds; one is the mean, more
# than six has a chance of 10^-4.  Who asks beyond that gets links and leaves
# none: "swaps_limited".
SWAPS = const(6)
# Cached answers to shuffles, so that a repeated question gets the same answer.
# Oldest dropped; a repeat after that is answered afresh.
SHUFFLE_ANSWERS = const(8)
# Contacts remembered: half for a restart, the oldest leaves; half against a
# partition, a uniform sample of all times.
CONTACTS = const(8)
# Doors known: one is enough, the rest are spares.  Oldest dropped.
DOORS = const(4)

# Boxes with pair keys: the view, ring neighbours, a door or two, and as many
# again for those who have us in their view.  Longest silent stranger dropped:
# "peers_evicted"; with nothing to drop the newcomer is refused: "peers_full".
PEERS = const(48)
# Sessions with one box: the current one, a spare whose datagrams may still be on
# their way, and one being greeted.  Oldest unproven dropped, or the spare.
SESSIONS = const(3)
# Messages held back while a handshake runs, per peer; newest dropped:
# "pending_full".
PENDING = const(4)
# Handshakes under way that we began; more is a storm.  Refused: "hails_full".
HAILS = const(12)
# Long computations queued (ladders, signatures).  A newcomer is refused:
# "work_full"; its peer retries.
WORK = const(12)
# Ladders run for strangers: this many at once, then one per interval.
STRANGER_BURST = const(24)
STRANGER_INTERVAL_MS = const(250)
# Other boxes named to a stranger for whom there is no token: one datagram, no
# longer than his hello.
REFERRED = const(6)
# Enrolment lots of a fleet, all on one signed list: 10^6 boxes in lots of 10^5 need
# ten.  A longer list is refused: "manifests_bad".
LOTS = const(16)
# Root keys of a fleet: three of five in five safes is as far as people go.
ROOT_KEYS = const(5)
# Roots that a box keeps for those who slept, the newest ones, as far as one blob holds them:
# 8 KiB in the worst case, 2 KiB with one root key.  The oldest goes; who slept through more needs a
# new trust.cbor.
ROOTS = const(8)
# What a replaced operator's key signed and still counts, by one root: 16 lots, 32 live manifests,
# the list of revoked boxes and some lists of first contacts.
KEPT = const(64)
# Merkle path of a lot of 2^20 boxes: 640 bytes, the largest part of a hello.
PATH_NODES = const(20)

# Boxes revoked at once, by one signed list.  A fleet that loses more has lost a lot of
# enrolment: its root is replaced, and the honest boxes of it are enrolled anew.
REVOKED = const(256)

# A signed manifest: 8 index hashes, predicate, arguments and a W4 signature.
MANIFEST_BYTES = const(8192)
# Live manifests of a fleet: a documented limit, or every box would have to hold
# whatever is pushed.  The newcomer is refused: "manifests_full".
MANIFESTS = const(32)
# Tenants with a delegation: each one's key takes part in the search for a signer.
# The newcomer is refused: "tenants_full".  They come on top of MANIFESTS, or work
# could keep the word about its own bounds out.
TENANTS = const(8)
# Slices and workloads that one delegation may allow at once; as many ended ones are
# kept besides, so one tenant fills three quarters of MANIFESTS at most, and gives way
# to the operator.
TENANT_MANIFESTS = const(12)
# Letters of a tenant's name: with its workload's and a receipt, a datagram.
TENANT_LETTERS = const(16)
# Bodies put off until a delegation names their key, in all and of one box that
# served them.  Beyond that they are refused: "manifests_strange".
RUMOURS_STRANGE = const(8)
RUMOURS_STRANGE_PER_PEER = const(4)
# Sequence floors outlive their manifests, whose older versions may still be live.
# The first to expire is dropped.
FLOORS = const(64)
# Announcements not yet verified: as many as may live, so that one box can tell a
# newcomer of all.  At the cap the box that told most makes room: "rumours_busy".
RUMOURS_WANTED = const(32)
# Of those, fetched or checked at once, and by one peer's word; the others wait.
RUMOUR_FETCHES = const(4)
RUMOUR_FETCHES_PER_PEER = const(2)
# Boxes told of a new manifest when it is accepted, so many less for each box
# beyond the first that told us of it, and never less than the least.
RUMOUR_FANOUT = const(16)
RUMOUR_FEEDBACK = const(4)
RUMOUR_LEAST = const(2)
# Boxes last heard among which those are drawn: both ends still have the session.
RUMOUR_LISTENERS = const(24)
# Bodies fetched and refused, not to be fetched again for a while.  Oldest dropped.
RUMOURS_REFUSED = const(32)
# Boxes whom we sent our ranges: what they tell then is no news.  Oldest dropped.
RUMOUR_ASKED = const(8)

# A blob: program, task input, index, output.  One buffer of this size must
# always be had on the smallest heap.
BLOB_BYTES = const(32768)
# A chunk leaves room for the envelope and the blob's hash in one datagram.
CHUNK_BYTES = const(1024)
# Blobs fetched at once (rumours included).  Refused: "fetches_full".
FETCHES = const(8)
# Chunks asked for and not yet come, per fetch: fills a 10 ms path at 6 Mbit/s.
FETCH_WINDOW = const(8)
# Sources remembered per fetch; the first is dropped.
FETCH_SOURCES = const(6)
# Boxes that served something bad or nothing in time, from whom nothing is taken
# for a while.  The first to be free is dropped.
SHUNNED = const(16)
# Chunks served at once, then one an interval (1.1 Mbit/s with headers: a tenth of
# a modest uplink), and to one box a second while those are short.  Not answered:
# "chunks_limited"; the asker slows down.
SERVE_BURST = const(128)
SERVE_INTERVAL_MS = const(8)
SERVE_PER_PEER = const(32)

# Slices whose gossip a box carries.  Bounded by MANIFESTS.
# Seats heard of per slice, and candidates; stalest dropped.
SEAT_HINTS = const(16)
CANDIDATES = const(8)
# Seat and candidate entries in one message.
SEATS_TOLD = const(4)
CANDIDATES_TOLD = const(4)
SLICES_TOLD = const(2)
# Of which only so many bytes: as the same number with IPv6 addresses.  Entries that
# name a porter are longer, so fewer of them are told at once.
SEATS_BYTES = const(180)
CANDIDATES_BYTES = const(156)
# Predicates: deep and long enough for people, cheap enough for a box.
PREDICATE_DEPTH = const(8)
PREDICATE_NODES = const(32)

# Ring neighbours kept on each side: the ring survives 3 adjacent deaths.
NEIGHBOURS = const(4)
# Long links: one holder 2^i to 2^(i+1) seats away, on each side, for i = 2..13.
# A fresher one replaces a stale one; the rest are dropped.
LONG_LINKS = const(24)
# Seat entries in one ring exchange, the sender's own included: T-Man's c = 20.
RING_TOLD = const(21)
# And their bytes, so that a porter can pass the datagram on; the furthest are left out.
ENTRIES_BYTES = const(1030)
# Lookups begun here, and lookups passed on and not yet confirmed.  Refused, or
# dropped: "lookups_dropped"; who asked asks again.
LOOKUPS = const(8)
# Boxes declared dead or gone, so that gossip does not bring them back.  Oldest
# dropped.
TOMBSTONES = const(16)

# Seats of a slice: two hundred would do for most, but one per cent of a fleet of a million
# is 10,000.  T-Man was measured up to 2^14, and so are we.  Fits the wire's 16 bits.
SEATS = const(16384)
# Regions among which a slice's seats are divided: as many as a task has replicas (REPLICAS).
REGIONS = const(8)
# Slices that one slice has taken in by merging; merging again names them all.
ABSORBED = const(4)
# Tasks of a workload, times replicas: the progress bitmap fits one datagram.
TASKS = const(8192)
ARGUMENTS = const(8)
ARGUMENT_BYTES = const(64)
INDEX_BLOBS = const(8)
INDEX_ENTRIES = const(1024)
REPLICAS = const(8)
# Replicas of one task, those included that the owner asks for later: as many boxes
# further round the ring.
ATTEMPTS = const(16)
# Finished results not yet taken by a door: bounds the store when the broker is
# gone.  At the cap the box starts no further task: "results_waiting_full".
RESULTS_WAITING = const(16)
# Results a door carries at once to the broker, and of one box: as many as it
# offers at once.  Refused: "door_full"; the box asks again, or another door.
DOOR_RESULTS = const(8)
DOOR_RESULTS_PER_PEER = const(4)
# Recently published results a door still answers for.  Oldest dropped.
DOOR_PUBLISHED = const(64)
# Manifests a door holds while its queue of work is full; 8 KB each.  The newcomer
# is passed over, and the broker asked for it again: "door_manifests_late".
DOOR_HELD = const(4)
# Blob topics a door is subscribed to at once.  Refused: "door_wants_full".
DOOR_WANTS = const(8)
# Events waiting for the edge.  Newest dropped: "events_unsent".
EVENTS = const(64)

# Cells of COUNT: a trimmed mean over as many estimates of the size.
SIZE_CELLS = const(24)
# Versions counted, the newest ones; a rollout has two or three.
VERSIONS = const(8)
# Availability is told in parts in a million: nobody is up for more.
PPM = const(1000000)
# Thresholds of a distribution: the mean error is below 0.1 % with 48, and with its
# other numbers a distribution is less than half a datagram.
CDF_POINTS = const(48)
# Values heard from others, to make the first thresholds of, and told at once.
CDF_SAMPLES = const(32)
CDF_SAMPLES_TOLD = const(6)
# Distributions kept: three of every box, and what operators ask for.  A further
# one is not counted: "queries_full".
QUERIES = const(12)
# Slices whose filled seats are counted: all live ones (MANIFESTS).
# Datagrams of one exchange of averages: what does not fit waits for its turn.
AVERAGES_SENT = const(4)
# Bytes of averages in one question, so that its longer answer fits too.
AVERAGES_BYTES = const(700)
# Questions out and not answered; they are repeated until the peer is dead or the
# epoch over.  With no place free an exchange is left out: "averages_full".
AVERAGES_ASKED = const(8)
# Answers kept for repeated questions: five seconds of a quick epoch, in which a
# question is repeated ten times.  Oldest dropped: "averages_dropped".
AVERAGES_KEPT = const(32)
# Epochs that one word of a peer may skip: halves of a fleet after a partition
# differ by far less, and a liar can never reach the end of the numbers.
EPOCH_JUMP = const(1 << 20)
# Quick epochs followed on a peer's word alone before an idle one must pass.
EPOCH_QUICK_BURST = const(4)
# A census, published: 32 slices and as many queries with their distributions.
# Past that parts are left out, the least missed first (census.py), and the map
# says which.
CENSUS_BYTES = const(16384)

# Parts of an image fetched or written at once: an update must leave places for tasks.
UPDATE_FETCHES = const(3)
# Boxes of the view asked for an image's index before a door is.
UPDATE_SOURCES = const(4)
# Boxes known to have a part that a download lacks.  The newcomer is dropped; it asks again.
UPDATE_HINTS = const(4)
# Parts lent at once: fewer are whole sooner, and two fill a megabit while one waits for its
# asker.  Who comes beyond that is told so: "parts_refused".
PARTS_LENT = const(3)
# Waves of a rollout: four for each of three regions, or eleven regions one by one.  More
# are refused: "manifests_bad".
WAVES = const(12)
# Boxes that one box polls of the wave before its own, at most.  Of 20 with 16 to be good,
# one in ten lying stops 4 % of the polls and lets a bad image pass in none of 10^11.
WAVE_POLLED = const(32)
