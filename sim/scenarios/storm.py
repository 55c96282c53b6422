"""All weather at once, drawn from the seed: nothing is settled twice, and calm brings order."""

NODES = 24
TASKS = 40
SEATS = 6


def play(lab):
    """Five minutes of chaos with work under way; then calm, and everything must come right."""
    lab.runner.duration_ms = (2_000, 60_000)
    weather = lab.weather(liars=0.0)
    lab.boot(doors=3, contacts=3, weather=weather)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.storm(weather=weather)
    lab.go(300_000)
    lab.heal()
    # A broker that lost what it retained needs its operator again.
    lab.operator.push_again()
    lab.measure("connected_s", lab.until("overlay connected", lab.connected, 1_800))
    lab.measure("informed_s", lab.until("manifests everywhere", lab.informed, 1_800))
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", SEATS), 1_800))
    if lab.broker.forgetful:
        # Results that the broker acknowledged and then forgot: only the owner
        # can know, and asks one more box.
        lab.go(600_000)
        if lab.done("words", TASKS)():
            lab.operator.ask_again("words")
    lab.measure("settled_s", lab.until("all tasks settled", lab.done("words", TASKS), 1_800))
