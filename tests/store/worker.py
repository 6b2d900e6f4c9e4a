"""What other processes do to a store: `worker COMMAND URL …`; evidence comes on stdin."""

import sys
import time

import msgspec

from bokehbench.facts import Evidence
from bokehbench.store import Store, open_store, this_process
from tests.store.samples import make_derived, make_trial


def fill(store: Store, record_id: str, first: int, count: int) -> None:
    """Appends trials one by one."""
    for index in range(first, first + count):
        store.append(record_id, make_trial(index))


def main() -> None:
    """Runs one command."""
    command, url, *words = sys.argv[1:]
    evidence = msgspec.json.decode(sys.stdin.read() or "null", type=Evidence | None)
    if command == "open":
        time.sleep(max(0.0, float(words[0]) - time.time()))
    with open_store(url) as store:
        if command == "open":
            store.put_blob(b"opened")
        elif command == "fill":
            fill(store, words[0], int(words[1]), int(words[2]))
        elif evidence is not None:
            store.begin_run(evidence.run_id, {}, this_process())
            store.begin_record(evidence)
            if command == "record":
                fill(store, evidence.record_id, 0, int(words[0]))
                whole = store.read_open(evidence.record_id)
                store.seal(evidence.record_id, whole, make_derived(whole), finished=True)
                store.finish_run(evidence.run_id, "done")
            elif command == "die":
                for index in range(1_000_000):
                    store.append(evidence.record_id, make_trial(index))
                    print(index, flush=True)


if __name__ == "__main__":
    main()
