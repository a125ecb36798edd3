"""Counts what the client found: each acknowledged query must have one ending. Usage: verdict.py OUT FAULTS"""
import collections, json, pathlib, sys

out = pathlib.Path(sys.argv[1])
lines = lambda name: (out / name).read_text().split("\n")[:-1] if (out / name).exists() else []
acknowledged, unknown = lines("acknowledged"), lines("unknown")
states, lost, repeated, attempts, badly = collections.Counter(), [], [], 0, []
for id, line in zip(acknowledged, lines("records")):
    record = json.loads(line) if line else {}
    endings = [m for m in record.get("messages", []) if m["kind"] in ("answer", "close") and m["verdict"] == "counted"]
    ended = record.get("state") in ("completed", "failed", "rejected", "unroutable", "expired", "cancelled", "dead")
    states[record.get("state", "not found")] += 1
    attempts += len(record.get("attempts", []))
    if not ended:
        lost.append(id)
    elif record["state"] != "completed":
        badly.append({"id": id, "state": record["state"], "close": record.get("close"), "why": [a.get("failure") for a in record["attempts"]]})
    # An answer that asks for another try counts and ends nothing.
    if sum(m["kind"] == "close" or m["body"].get("outcome") != "retry" for m in endings) > 1:
        repeated.append(id)
lost += acknowledged[len(lines("records")):]
faults = [dict(zip(("fault", "recovered_s"), line.split("\t"))) for line in pathlib.Path(sys.argv[2]).read_text().splitlines()]
unrecovered = [fault["fault"] for fault in faults if fault["recovered_s"] == "never"]
verdict = {
    "acknowledged": len(acknowledged), "lost": len(lost), "ended_twice": len(repeated), "unknown": len(unknown),
    "states": states, "attempts": attempts, "faults": faults, "examples": (lost + repeated)[:5], "ended_badly": badly[:5],
    "posts_not_taken": collections.Counter(line[:160] for line in lines("errors")).most_common(8),
}
print(json.dumps(verdict, indent=2))
sys.exit(1 if lost or repeated or unrecovered or not acknowledged else 0)
