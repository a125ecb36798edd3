//! A stand-in for a model's endpoint: a small real HTTP server on this machine that says what a test tells it to.
//!
//! It speaks Anthropic's Messages API, OpenAI's chat completions and Ollama's chat, streamed, by the path that is asked;
//! `speech` cites the vendors' documentation for each event. It also fails as endpoints do: it refuses, redirects, breaks
//! off, falls silent, or never ends. Plain JSON web hooks are served as well ([`Reply::Json`], [`Reply::Lines`]).
//!
//! Knows nothing of the bus. Threads of its own serve it, so that a test that blocks does not hold it up. Next: `speech`
//! (what is said), `wire` (how it is sent).

mod program;
mod speech;
mod wire;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use serde_json::Value;

pub use program::Serve;
pub use speech::Turn;

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path, without the host.
    pub path: String,
    /// Headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Request {
    /// The texts that tools gave back to the model, in the order of the conversation.
    #[must_use]
    pub fn tool_results(&self) -> Vec<String> {
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        let mut results = Vec::new();
        for message in messages {
            match (&message["role"], &message["content"]) {
                (Value::String(role), Value::String(text)) if role == "tool" => results.push(text.clone()),
                (_, Value::Array(parts)) => {
                    let told = parts.iter().filter(|part| part["type"] == "tool_result");
                    results.extend(told.map(|part| part["content"].as_str().map_or_else(|| part["content"].to_string(), str::to_owned)));
                }
                _ => {}
            }
        }
        results
    }

    /// The system prompt, wherever the API has it.
    #[must_use]
    pub fn system(&self) -> String {
        match &self.body["system"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => self.body["messages"][0]["content"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// What the endpoint does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The model says something, in the words of the API that was asked.
    Says(Turn),
    /// An HTTP status with headers and a body.
    Status(u16, Vec<(String, String)>, String),
    /// 200, and one JSON value.
    Json(Value),
    /// 200, and lines of JSON, each sent on its own; then [`End`].
    Lines(Vec<String>, End),
    /// The connection is reset before anything is said.
    Reset,
    /// Nothing is said, and the connection stays.
    Silence,
}

/// How a streamed reply ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As it should.
    #[default]
    Whole,
    /// The connection is reset in the middle.
    Reset,
    /// The reply is over before the API's last event has come.
    Short,
    /// No more comes, and the connection stays.
    Silence,
    /// The last piece again and again, until the client leaves.
    Endless,
    /// An event that is no JSON.
    Garbage,
    /// The API's error event, in the middle of a reply.
    Overloaded,
}

impl Reply {
    /// The model says this text, in pieces of a word each.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Says(Turn::text(text))
    }

    /// An HTTP status with a body.
    #[must_use]
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status(code, Vec::new(), body.to_owned())
    }
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A stand-in endpoint. Its connections end with it.
pub struct Model {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Dropped with the endpoint: whoever is held up by a silent reply goes on then.
    _over: mpsc::Sender<()>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Model {
    /// Starts an endpoint. The script is given how many requests came before, and the request.
    ///
    /// # Panics
    /// Where no port can be had.
    #[must_use]
    pub fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0), script)
    }

    fn start_at(at: (Ipv4Addr, u16), script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (over, held) = mpsc::channel::<()>();
        let server = Arc::new(Server { script: Box::new(script), requests: Arc::default(), held: Mutex::new(held) });
        let requests = server.requests.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(connection));
            }
        });
        Self { port, requests, _over: over }
    }

    /// Starts an endpoint that gives these replies one after the other, and then the last one again and again.
    ///
    /// # Panics
    /// Where no port can be had, or no reply is given.
    #[must_use]
    pub fn replying(replies: Vec<Reply>) -> Self {
        assert!(!replies.is_empty(), "no reply");
        Self::start(move |at, _| replies.get(at).or(replies.last()).cloned().expect("a reply"))
    }

    /// The endpoint's address, with this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What has been asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Server {
    script: Box<Script>,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Nothing ever comes; it ends with the endpoint.
    held: Mutex<mpsc::Receiver<()>>,
}

impl Server {
    /// One request of a connection; then it closes.
    fn serve(&self, connection: TcpStream) {
        let Some(request) = wire::read(&connection) else { return };
        let at = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(request.clone());
            requests.len() - 1
        };
        let reply = (self.script)(at, &request);
        // A client that leaves early is no error of the endpoint's.
        let _ = wire::reply(&connection, &request, reply, &|| self.hold());
    }

    /// Holds a connection up until the endpoint ends.
    fn hold(&self) {
        let _ = self.held.lock().unwrap_or_else(PoisonError::into_inner).recv();
    }
}
