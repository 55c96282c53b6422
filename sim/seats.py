"""What happens to seats over time, read from the world: duplicates, moves, who sits where."""


def held(world, name):
    """{seat: [numbers of the live boxes that hold it]} of slice `name`."""
    found = {}
    for box in world.live():
        ring = box.node.ring
        if ring.seat is not None and ring.manifest.name == name:
            found.setdefault(ring.seat, []).append(box.number)
    return found


def holders(world, name):
    """{seat: box number} of slice `name`; of two boxes in a seat, the last."""
    return {seat: numbers[-1] for seat, numbers in held(world, name).items()}


def jobs(world, name):
    """{box number: job} of what the holders of slice `name` run now."""
    running = {number: world.boxes[number].cell.job for number in holders(world, name).values()}
    return {number: job for number, job in running.items() if job is not None}


def vacancies(world, name):
    """Vacant seats that the holders of slice `name` answer for, each by its own reckoning, summed."""
    return sum(world.boxes[number].node.ring.vacancies() for number in holders(world, name).values())


class Duplicates:
    """A check that no seat of slice `name` is held by two boxes for longer than `most_ms`."""

    def __init__(self, world, name, most_ms):
        self.world = world
        self.name = name
        self.most_ms = most_ms
        self.count = 0
        self.longest_ms = 0
        self._since = {}

    def __call__(self):
        """One look at the world; to be made at least every second."""
        now_ms = self.world.now_ms
        twice = {seat for seat, numbers in held(self.world, self.name).items() if len(numbers) > 1}
        for seat in twice - set(self._since):
            self._since[seat] = now_ms
            self.count += 1
        for seat in set(self._since) - twice:
            del self._since[seat]
        for seat, since_ms in self._since.items():
            self.longest_ms = max(self.longest_ms, now_ms - since_ms)
            if now_ms - since_ms > self.most_ms:
                return "%s: seat %d has been held by two boxes for %d ms" % (self.name, seat, now_ms - since_ms)
        return ""


class Sitting:
    """A check that nobody who sits in one of the slices changes its seat or leaves it."""

    def __init__(self, world, *names):
        self.world = world
        self.names = names
        self._seats = {}

    def __call__(self):
        """One look at the world."""
        now = {}
        for name in self.names:
            for seat, number in holders(self.world, name).items():
                now[number] = (name, seat)
        for number, place in self._seats.items():
            if now.get(number) != place:
                return "box %d had seat %d of %s" % (number, place[1], place[0])
        self._seats = now
        return ""
