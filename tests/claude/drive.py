"""Drives the real program `claude` through the bus, against a stand-in for its API (messages.py). See tests/claude.sh.

Usage: drive.py AGENTBUS CLAUDE
"""
import json, os, pathlib, subprocess, sys, tempfile, time

AGENTBUS, CLAUDE = (os.path.abspath(path) for path in sys.argv[1:3])
HERE = pathlib.Path(__file__).parent
ROOT = pathlib.Path(tempfile.mkdtemp(prefix="agentbus-claude-"))
WORK, HOME, LOG = ROOT / "work", ROOT / "home", ROOT / "requests.jsonl"
ENV = {"PATH": f"{pathlib.Path(CLAUDE).parent}:{os.environ['PATH']}", "HOME": str(HOME), "AGENTBUS_TRUST": str(ROOT / "trust.json"),
       "ANTHROPIC_API_KEY": "sk-stand-in", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "1"}
AGENTS = {
    "reader": "bus: {handler: claude-code, pass_env: [CLAUDE_CODE_MAX_RETRIES, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC]}",
    "runner": "tools: Bash(sleep *), Bash(sh *), Read\nbus: {handler: claude-code, pass_env: [CLAUDE_CODE_MAX_RETRIES]}",
    "denier": "bus: {handler: claude-code, permissions: deny}",
    "hasty": "bus: {handler: claude-code, turns: 1}",
    "stranger": "bus: {handler: claude-code, env: {ANTHROPIC_API_KEY: invalid}, pass_env: [CLAUDE_CODE_MAX_RETRIES]}",
    "haiku": "model: haiku\ntools: Read\nbus: {handler: claude-code}",
}


def run(*args):
    return subprocess.run([AGENTBUS, *args], cwd=WORK, env=ENV, capture_output=True, text=True, timeout=120)


def status(id):
    return json.loads(run("status", "--json", id).stdout)


def until(what, look, patience=60):
    """Looks until there is something, and returns it."""
    begun = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() - begun < patience, f"{what} did not come about"
        time.sleep(0.05)


def ask(agent, text, **more):
    query = {"requesting_agent": "alice", "request_type": "request", "target": agent, "payload": {"query": text}, "attempts": 1, **more}
    (WORK / "query.json").write_text(json.dumps(query))
    posted = run("post", "--file", "query.json")
    assert posted.returncode == 0, posted
    return posted.stdout.strip()


def end(id):
    return until("the end", lambda: (record := status(id))["state"] in ("completed", "failed", "dead", "cancelled") and record)


def answer(agent, text, **more):
    record = end(ask(agent, text, **more))
    assert record["state"] == "completed", json.dumps(record, indent=1)
    return record["answer"]


def failure(agent, text):
    record = json.loads(run("history", "--json", end(ask(agent, text))["id"]).stdout)
    return record["attempts"][0]["failure"]


def waits(id):
    return until("a question", lambda: (record := status(id))["state"] == "waiting" and record["questions"][0])


def processes(words):
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True).stdout.splitlines()
    return [line for line in listed if words in line]


def runs(id, words):
    """Waits until a tool runs; versions differ in what they ask about first."""
    def look():
        if status(id)["state"] == "waiting":
            run("reply", id, "allow")
        return processes(words)
    until("the tool", look)


def proved(what, *seen):
    print(f"ok  {what}", *seen, sep="\n      ", flush=True)


def answers():
    plain = answer("reader", "What is this?")
    assert plain["result"].startswith("You said: What is this?") and plain["usage"]["input_tokens"] > 0, plain
    proved("a plain answer", plain["delivery"], json.dumps(plain["usage"]))
    assert answer("haiku", "Hello")["usage"]["model"].startswith("claude-haiku")
    proved("the model and the tools of the definition")
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    assert answer("reader", "JSON seven", reply_schema=schema)["result"] == {"n": 7}
    proved("an answer that does not meet the schema is asked for once more")
    named = answer("reader", f"Tell me about @{WORK}/../outside.txt please")
    assert "u0040" in named["result"] and "not yours" not in LOG.read_text(), named
    proved("a file that a query names is not read")


def permissions():
    id = ask("reader", f"READ {ROOT}/outside.txt")
    question = waits(id)
    assert run("reply", id, "allow").returncode == 0
    assert "not yours" in end(id)["answer"]["result"]
    proved("a permission that is asked for and given", *question["text"].splitlines())
    id = ask("reader", "RUN touch made")
    waits(id)
    assert run("reply", id, "deny").returncode == 0
    assert "does not allow it" in end(id)["answer"]["result"] and not (WORK / "made").exists()
    proved("one that is not given")
    assert not (WORK / "made").exists() and "The tool said" in answer("denier", "RUN touch made")["result"] and not (WORK / "made").exists()
    proved("permissions: deny asks nobody")
    id = ask("reader", "CHOOSE")
    waits(id)
    assert run("reply", id, "Blue").returncode == 0
    chosen = end(id)["answer"]["result"]
    assert "Blue" in chosen, chosen
    proved("a choice of the model's is the requester's", chosen)


def failures():
    for agent, text, code in [("reader", "FAIL 529", "model_busy"), ("reader", "FAIL 429", "model_busy"), ("reader", "FAIL 500", "model_unavailable"),
                              ("reader", "FAIL 400", "model_refused"), ("stranger", "Hello", "bad_key"), ("hasty", "RUN true", "turns_spent")]:
        failed = failure(agent, text)
        assert failed["code"] == code, failed
        proved(f"{agent}, {text}: {code}", failed["message"])


def ends(up):
    id = ask("reader", "SLOW")
    session = "You are the agent `reader` on agentbus"
    until("a session", lambda: processes(session))
    assert run("cancel", "--from", "alice", id).returncode == 0
    begun = time.monotonic()
    until("the end of the session", lambda: not processes(session), 5)
    proved(f"a cancelled session is gone ({time.monotonic() - begun:.2f} s)")
    id = ask("runner", "RUN sh -c \"sleep 7001; true\"")
    runs(id, "sleep 7001")
    assert run("cancel", "--from", "alice", id).returncode == 0
    begun = time.monotonic()
    until("the end of the tool", lambda: not processes("sleep 7001"), 5)
    proved(f"so is what its tools run ({time.monotonic() - begun:.2f} s)")
    id = ask("runner", "RUN sh -c \"trap : INT TERM HUP; while :; do sleep 7002; done\"")
    runs(id, "sleep 7002")
    assert run("cancel", "--from", "alice", id).returncode == 0
    begun = time.monotonic()
    until("the end of the tool", lambda: not processes("sleep 7002"), 5)
    proved(f"be it deaf ({time.monotonic() - begun:.2f} s)")
    id = ask("runner", "RUN sh -c \"sleep 7003; true\"")
    runs(id, "sleep 7003")
    up.kill()
    begun = time.monotonic()
    until("the end of the tool", lambda: not processes("sleep 7003"), 5)
    proved(f"and when the bus is killed ({time.monotonic() - begun:.2f} s)")


def main():
    for folder in (WORK / ".claude/agents", HOME):
        folder.mkdir(parents=True)
    (ROOT / "outside.txt").write_text("not yours\n")
    for name, front in AGENTS.items():
        (WORK / f".claude/agents/{name}.md").write_text(f"---\nname: {name}\ndescription: A test.\n{front}\n---\nYou are a test.\n")
    api = subprocess.Popen([sys.executable, str(HERE / "messages.py"), str(ROOT / "port"), str(LOG)], stdin=subprocess.PIPE)
    until("the API", (ROOT / "port").exists)
    ENV["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{(ROOT / 'port').read_text()}"
    assert run("trust", ".").returncode == 0
    up = subprocess.Popen([AGENTBUS, "up"], cwd=WORK, env=ENV, stdout=open(ROOT / "up.out", "w"), stderr=subprocess.STDOUT)
    try:
        until("the bus", lambda: "Ctrl-C drains" in (ROOT / "up.out").read_text())
        print(subprocess.run([CLAUDE, "--version"], env=ENV, capture_output=True, text=True).stdout.strip())
        answers()
        permissions()
        failures()
        ends(up)
    finally:
        up.kill()
        up.wait()
        api.stdin.close()
        api.wait()
        print(f"what was said is in {ROOT}")


main()
