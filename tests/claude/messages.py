"""A loopback stand-in for the Messages API, to drive the real `claude` without a key or a network.

It streams as the documentation of the API says (docs.claude.com, "Streaming messages"): `message_start` with an empty
message and the tokens read; for each block `content_block_start`, `content_block_delta` (`text_delta`, or
`input_json_delta` with pieces of the JSON of a tool's input) and `content_block_stop`; `message_delta` with the
`stop_reason` (`end_turn`, `tool_use`) and the tokens written so far; `message_stop`; `ping` may stand anywhere. Errors
are `{"type":"error","error":{"type","message"},"request_id"}` (same place, "Errors"): 401 `authentication_error`,
400 `invalid_request_error`, 429 `rate_limit_error`, 500 `api_error`, 529 `overloaded_error`.

What it answers follows from the last text that the user sent; of one that the bus has framed, from the query in it:

    READ path       asks for the tool Read        RUN command    asks for the tool Bash
    FAIL status     an error with this status     SLOW           a word each half second, without end
    CHOOSE          lets the user choose          JSON text      that text, and `{"n": 7}` when told that it will not do
    anything else   two sentences; after a tool, what the tool said

Usage: messages.py PORTFILE [LOG]. Writes its port to PORTFILE; ends when its standard input does.
"""
import json, os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERRORS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
          429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
OPTIONS = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
TOOLS = {
    "READ": lambda path: ("Read", {"file_path": path}),
    "RUN": lambda command: ("Bash", {"command": command, "description": "asked to"}),
    "CHOOSE": lambda _: ("AskUserQuestion", {"questions": [{"question": "Which colour?", "header": "Colour", "options": OPTIONS, "multiSelect": False}]}),
}
LOG = sys.argv[2] if len(sys.argv) > 2 else None


def said(request):
    """The last text of the user, and the text of a tool's result that follows it, if any."""
    text, result = "", None
    for message in request.get("messages", []):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] != "user":
            continue
        for block in blocks:
            if block["type"] == "text" and not block["text"].startswith("<system-reminder>"):
                text, result = block["text"], None
            elif block["type"] == "tool_result":
                inner = block.get("content", "")
                result = inner if isinstance(inner, str) else "".join(part.get("text", "") for part in inner)
    if text.startswith("A query of type"):
        text = text.split("\n\n")[1]
    return text, result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = json.loads(body or b"{}")
        if LOG:
            with open(LOG, "a") as log:
                log.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": request}) + "\n")
        if self.path.split("?")[0].endswith("/count_tokens"):
            return self.whole(200, {"input_tokens": 10})
        if not self.path.split("?")[0].endswith("/v1/messages"):
            return self.whole(404, {"type": "error", "error": {"type": "not_found_error", "message": "no such path"}})
        if self.headers.get("x-api-key") == "invalid":
            return self.error(401, "invalid x-api-key")
        text, result = said(request)
        word, _, rest = text.strip().partition(" ")
        rest = rest.split("\n")[0].strip()
        if word == "FAIL":
            return self.error(int(rest), f"the stand-in was told to fail with {rest}")
        if not request.get("stream"):
            return self.whole(200, self.message(request, [{"type": "text", "text": "ok"}]))
        self.begin(request)
        if word == "SLOW":
            return self.slow()
        if result is None and word in TOOLS:
            name, given = TOOLS[word](rest)
            self.text(0, "I look.")
            self.tool(1, name, given)
            return self.stop("tool_use")
        if word == "JSON" or text.startswith("Your last message"):
            self.text(0, rest if word == "JSON" else '{"n": 7}')
            return self.stop("end_turn")
        self.text(0, f"The tool said: {result.strip()}" if result is not None else f"You said: {text.strip()[-200:]} That is all.")
        self.stop("end_turn")

    def message(self, request, content):
        return {"id": "msg_standin", "type": "message", "role": "assistant", "model": request.get("model"), "content": content,
                "stop_reason": "end_turn" if content else None, "stop_sequence": None,
                "usage": {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}}

    def whole(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, message):
        self.whole(status, {"type": "error", "error": {"type": ERRORS.get(status, "api_error"), "message": message}, "request_id": "req_standin"})

    def begin(self, request):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.event("message_start", message=self.message(request, []))
        self.event("ping")

    def event(self, kind, **fields):
        self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())
        self.wfile.flush()

    def delta(self, index, **delta):
        self.event("content_block_delta", index=index, delta=delta)

    def text(self, index, text):
        self.event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        middle = len(text) // 2
        for piece in (text[:middle], text[middle:]):
            self.delta(index, type="text_delta", text=piece)
        self.event("content_block_stop", index=index)

    def tool(self, index, name, given):
        block = {"type": "tool_use", "id": f"toolu_standin_{time.monotonic_ns()}", "name": name, "input": {}}
        self.event("content_block_start", index=index, content_block=block)
        body = json.dumps(given)
        for piece in (body[:5], body[5:]):
            self.delta(index, type="input_json_delta", partial_json=piece)
        self.event("content_block_stop", index=index)

    def slow(self):
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        try:
            while True:
                self.delta(0, type="text_delta", text="slowly ")
                time.sleep(0.5)
        except OSError:
            self.close_connection = True

    def stop(self, reason):
        self.event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 15})
        self.event("message_stop")
        self.close_connection = True


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(sys.argv[1] + ".new", "w") as port:
        port.write(str(server.server_address[1]))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while sys.stdin.buffer.read(4096):
        pass
