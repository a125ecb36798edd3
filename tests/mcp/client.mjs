// The official TypeScript client: asks through 'agentbus mcp' and prints, as one JSON object, what it was told and given.
// client.mjs BINARY NATS-URL, beside an installed @modelcontextprotocol/sdk.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [binary, url] = process.argv.slice(2);
const client = new Client({ name: "a-test", version: "1" });
await client.connect(new StdioClientTransport({ command: binary, args: ["mcp", "--as", "alice", "--nats", url] }));

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const progress = [];
const asked = { name: "ask", arguments: { text: "count to 200", to: "counter" } };
const options = { onprogress: (step) => progress.push(step.message), resetTimeoutOnProgress: true };
const result = await client.callTool(asked, undefined, options);
const wrong = await client.callTool({ name: "status", arguments: { id: "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3" } });
const resource = await client.readResource({ uri: "agentbus://agents/counter" });
await client.close();

const found = {
  tools,
  progress,
  state: result.structuredContent.state,
  is_error: [result.isError ?? false, wrong.isError ?? false],
  code: wrong.structuredContent.error.code,
  agent: JSON.parse(resource.contents[0].text).card.agent,
};
console.log(JSON.stringify(found));
