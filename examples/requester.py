"""A requester as a plain NATS client. Usage: python requester.py [URL]"""
import asyncio, json, sys
import nats

async def main(url="nats://127.0.0.1:4222"):
    bus = await nats.connect(url)

    async def show(message):
        print("progress:", json.loads(message.data)["status"])

    await bus.subscribe("bus.progress.*.*.bob", cb=show)
    query = {"requesting_agent": "bob", "request_type": "count_words",
             "payload": {"query": "How many words are these?"}}
    reply = await bus.request("agentbus.ask.bob", json.dumps(query).encode(), timeout=600)
    record = json.loads(reply.data)  # the answer comes when the ledger has the query's ending
    ending = record.get("answer") or record.get("close") or record["error"]
    print(f"{record.get('state', 'refused')}: {ending.get('delivery') or ending['message']}")
    await bus.drain()

asyncio.run(main(*sys.argv[1:]))
