"""An agent as a plain NATS client: it counts words until it is ended. Usage: python agent.py [URL]"""
import asyncio, datetime, hashlib, json, sys, uuid
import nats

NAME, ME = "word-counter", uuid.uuid4().hex  # the agent, and this instance of it
CARD = {"agent": NAME, "description": "", "handler": "python", "answers": ["count_*"], "fallback": False}
DIGEST = hashlib.sha256(json.dumps(CARD, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

async def main(url="nats://127.0.0.1:4222"):
    bus = await nats.connect(url)
    held = {}  # tasks by lease; a lease lasts as long as heartbeats name it

    async def work(text, id, requester, attempt):
        async def tell(kind, **body):  # returns when the ledger has it
            body |= {"agent": NAME, "instance": ME, "attempt": attempt}
            subject = f"bus.{kind}.{id}.{NAME}.{requester.replace('.', '=')}"
            await bus.jetstream().publish(subject, json.dumps(body).encode())

        await tell("accept")
        await tell("progress", status="counting", progress={"lines_found": len(text.splitlines())})
        words = len(text.split())
        await tell("answer", outcome="completed", delivery=f"Counted {words} words.", result={"words": words})

    async def obey(message):
        order = json.loads(message.data)
        lease = order.get("id"), order.get("requester"), order.get("assign", order).get("attempt")
        if order["type"] == "describe":
            await message.respond(json.dumps(CARD).encode())
        elif order["type"] == "stop" and lease in held:
            held[lease].cancel()
        elif order["type"] == "work" and lease not in held:
            held[lease] = asyncio.create_task(work(order["query"]["payload"]["query"], *lease))
            held[lease].add_done_callback(lambda _: held.pop(lease))

    await bus.subscribe(f"bus.hand.{NAME}.{ME}", cb=obey)
    while True:
        leases = [dict(zip(("id", "requester", "attempt"), lease)) for lease in held]
        beat = {"agent": NAME, "owner": "bus", "session": ME, "instance_id": ME, "digest": DIGEST, "interval_s": 5,
                "ts": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                "capacity": 8, "load": len(held), "leases": leases}
        await bus.publish(f"agents.hb.{NAME}.bus.{ME}", json.dumps(beat).encode())
        await asyncio.sleep(5)

asyncio.run(main(*sys.argv[1:]))
