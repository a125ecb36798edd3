"""An agent as a plain NATS client: it counts words until it is ended. Usage: python agent.py [URL]"""
import asyncio, datetime, json, sys, uuid, nats

NAME, ME, held = "word-counter", uuid.uuid4().hex, {}  # the agent, this instance of it, and its tasks by lease

async def work(bus, text, lease):
    async def tell(kind, **body):  # returns when the ledger has it
        body |= {"agent": NAME, "instance": ME, "attempt": lease[2]}
        subject = f"bus.{kind}.{lease[0]}.{NAME}.{lease[1].replace('.', '=')}"
        await bus.jetstream().publish(subject, json.dumps(body).encode())

    await tell("accept")
    await tell("progress", status="counting", progress={"lines_found": len(text.splitlines())})
    words = len(text.split())
    await tell("answer", outcome="completed", delivery=f"Counted {words} words.", result={"words": words})

async def main(url="nats://127.0.0.1:4222"):
    async def obey(message):
        order = json.loads(message.data)
        lease = order.get("id"), order.get("requester"), order.get("assign", order).get("attempt")
        if order["type"] == "describe":  # when the coordinator does not know the digest in a heartbeat
            await message.respond(json.dumps({"agent": NAME, "handler": "python", "answers": ["count_*"]}).encode())
        elif order["type"] == "stop" and lease in held:
            held[lease].cancel()
        elif order["type"] == "work" and lease not in held:
            held[lease] = asyncio.create_task(work(bus, order["query"]["payload"]["query"], lease))
            held[lease].add_done_callback(lambda _: held.pop(lease))

    bus = await nats.connect(url)
    await bus.subscribe(f"bus.hand.{NAME}.{ME}", cb=obey)
    while True:  # a lease lasts as long as heartbeats name it
        leases, now = [dict(zip(("id", "requester", "attempt"), lease)) for lease in held], datetime.datetime.now(datetime.UTC)
        beat = dict(agent=NAME, owner="bus", session=ME, instance_id=ME, digest="1", ts=now.isoformat(), interval_s=5, capacity=8)
        await bus.publish(f"agents.hb.{NAME}.bus.{ME}", json.dumps(beat | {"leases": leases}).encode())
        await asyncio.sleep(5)

asyncio.run(main(*sys.argv[1:]))
