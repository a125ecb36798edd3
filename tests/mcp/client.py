"""The official Python client: asks through 'agentbus mcp' and prints, as one JSON object, what it was told and given.

client.py BINARY NATS-URL MODE: MODE is 'legacy' (the handshake of today's clients) or 'auto' (the newest revision).
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


async def main(binary: str, url: str, mode: str) -> None:
    server = StdioServerParameters(command=binary, args=["mcp", "--as", "alice", "--nats", url])
    told: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with Client(server, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        asked = {"text": "count to 200", "to": "counter"}
        result = await client.call_tool("ask", asked, progress_callback=progress)
        wrong = await client.call_tool("status", {"id": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"})
        resource = await client.read_resource("agentbus://agents/counter")
    found = {
        "tools": tools,
        "progress": told,
        "state": result.structured_content["state"],
        "is_error": [result.is_error, wrong.is_error],
        "code": wrong.structured_content["error"]["code"],
        "agent": json.loads(resource.contents[0].text)["card"]["agent"],
    }
    print(json.dumps(found))


asyncio.run(main(*sys.argv[1:]))
