"""An agent as a plain NATS client: it counts words until Ctrl-C ends it. Usage: python agent.py [URL]"""
import asyncio, contextlib, datetime, hashlib, json, sys, uuid, nats

NAME, ME, held = "word-counter", uuid.uuid4().hex, {}  # the agent, this instance of it, and its tasks by lease
CARD = json.dumps({"agent": NAME, "handler": "python", "answers": ["count_*"]}).encode()

async def work(bus, text, lease):
    async def tell(kind, **body):  # returns when the ledger has it
        body = json.dumps(body | {"agent": NAME, "instance": ME, "attempt": lease[2]}).encode()
        await bus.jetstream().publish(f"bus.{kind}.{lease[0]}.{NAME}.{lease[1].replace('.', '=')}", body)

    await tell("accept")
    await tell("progress", status="counting", progress={"lines_found": len(text.splitlines())})
    words = len(text.split())
    await tell("answer", outcome="completed", delivery=f"Counted {words} words.", result={"words": words})

async def main(url="nats://127.0.0.1:4222"):
    async def obey(message):
        order = json.loads(message.data)
        lease = order.get("id"), order.get("requester"), order.get("assign", order).get("attempt")
        if order["type"] == "describe":  # when the coordinator does not know the digest in a heartbeat
            await message.respond(CARD)
        elif order["type"] == "stop" and lease in held:
            held[lease].cancel()
        elif order["type"] == "work" and lease not in held:
            held[lease] = asyncio.create_task(work(bus, order["query"]["payload"]["query"], lease))
            held[lease].add_done_callback(lambda _: held.pop(lease))

    bus = await nats.connect(url)
    await bus.subscribe(f"bus.hand.{NAME}.{ME}", cb=obey)
    beat = dict(agent=NAME, owner="bus", session=ME, instance_id=ME, digest=hashlib.sha256(CARD).hexdigest(), interval_s=5, capacity=8)
    while True:  # a lease lasts as long as heartbeats name it
        leases, now = [dict(zip(("id", "requester", "attempt"), lease)) for lease in held], datetime.datetime.now(datetime.UTC)
        await bus.publish(f"agents.hb.{NAME}.bus.{ME}", json.dumps(beat | {"ts": now.isoformat(), "leases": leases}).encode())
        await asyncio.sleep(5)

with contextlib.suppress(KeyboardInterrupt): asyncio.run(main(*sys.argv[1:]))
