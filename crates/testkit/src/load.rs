//! `testkit client`: a requester that posts queries, waits for their ends, and writes down all that it was
//! told, at once, so that its log tells what it knew even when it is killed.
//!
//! What it does not know it calls unknown, and sends again under the same id. It judges nothing.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    plain::{Ask, Plain, Sent, is_terminal},
    random::Random,
    time,
};

/// The longest it goes without a look at a query whose end was not signalled.
const LOOK: Duration = Duration::from_secs(2);

/// The pause before something unknown is sent again.
const AGAIN: Duration = Duration::from_millis(300);

/// Options of `testkit client`.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Where the server, or the proxy in front of it, listens
    #[arg(long)]
    pub nats: String,
    /// As whom to ask
    #[arg(long)]
    pub name: String,
    /// Where everything is written down; what stands there open is waited for first
    #[arg(long)]
    pub log: PathBuf,
    /// Whom to ask; several with commas, each time all of them
    #[arg(long, default_value = "worker")]
    pub to: String,
    /// What to ask; drawn from as it comes
    #[arg(long = "text", default_value = "echo hello")]
    pub texts: Vec<String>,
    /// How many queries to post; 0 for no end
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// Queries a second, at most
    #[arg(long, default_value_t = 50)]
    pub rate: u64,
    /// How many may be open at once
    #[arg(long, default_value_t = 64)]
    pub inflight: usize,
    /// How many bytes to add to each
    #[arg(long, default_value_t = 0)]
    pub pad: usize,
    /// When they expire, in milliseconds
    #[arg(long, default_value_t = 120_000)]
    pub timeout_ms: u64,
    /// Which texts are drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A file whose coming tells it to post no more, and to end when all has ended
    #[arg(long)]
    pub until: Option<PathBuf>,
}

/// Who waits for which end signal.
type Signals = Arc<Mutex<HashMap<String, Arc<Notify>>>>;

#[derive(Clone)]
struct Client {
    plain: Plain,
    log: Arc<Mutex<File>>,
    signals: Signals,
}

impl Load {
    /// Posts until it is to stop, and returns when everything that it posted has ended.
    ///
    /// # Panics
    /// When the log cannot be written.
    pub async fn run(self) -> ExitCode {
        let left = left_open(&self.log);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the client's log");
        let plain = loop {
            match Plain::connect(&self.nats, &self.name).await {
                Ok(plain) => break plain,
                Err(_) => sleep(AGAIN).await,
            }
        };
        let client = Client { plain, log: Arc::new(Mutex::new(log)), signals: Signals::default() };
        let listening = tokio::spawn(client.clone().listen());
        let room = Arc::new(Semaphore::new(self.inflight));
        let mut asked = JoinSet::new();
        for ask in left {
            let client = client.clone();
            asked.spawn(async move { client.carry_through(ask, true).await });
        }
        self.post_all(&client, &room, &mut asked).await;
        while asked.join_next().await.is_some() {}
        listening.abort();
        client.note("finished", "", json!({}));
        ExitCode::SUCCESS
    }

    async fn post_all(&self, client: &Client, room: &Arc<Semaphore>, asked: &mut JoinSet<()>) {
        let mut random = Random::new(self.seed);
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / self.rate.max(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut posted = 0;
        while (self.count == 0 || posted < self.count) && !self.is_over() {
            tick.tick().await;
            // Whether it is over is looked at while all places are taken, too.
            let Ok(permit) = timeout(LOOK, room.clone().acquire_owned()).await else { continue };
            posted += 1;
            let text = random.pick(&self.texts).map_or("echo hello", String::as_str);
            let mut ask = Ask::new(&self.to, text);
            (ask.timeout_ms, ask.pad) = (self.timeout_ms, self.pad);
            let client = client.clone();
            asked.spawn(async move {
                let _permit = permit;
                client.carry_through(ask, false).await;
            });
            while asked.try_join_next().is_some() {}
        }
    }

    fn is_over(&self) -> bool {
        self.until.as_ref().is_some_and(|file| file.exists())
    }
}

impl Client {
    fn note(&self, event: &str, id: &str, more: Value) {
        let mut line = json!({ "t": time::now_ms(), "event": event, "id": id, "client": self.plain.me() });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        let mut file = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes()).expect("a line of the log");
    }

    /// Wakes whoever waits for an end, and writes down what was signalled.
    async fn listen(self) {
        let subject = format!("{}.end.{}.*", self.plain.space(), crate::plain::token(self.plain.me()));
        let mut heard = self.plain.hear(subject).await;
        while let Some(message) = heard.next().await {
            let Ok(end) = serde_json::from_slice::<Value>(&message.payload) else { continue };
            let id = end["id"].as_str().unwrap_or_default();
            self.note("signalled", id, json!({ "seq": end["seq"], "state": end["state"] }));
            let waiting = self.signals.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
            if let Some(waiting) = waiting {
                waiting.notify_one();
            }
        }
    }

    async fn carry_through(&self, ask: Ask, again: bool) {
        let signal = Arc::new(Notify::new());
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).insert(ask.id.clone(), signal.clone());
        if self.post(&ask, again).await {
            self.wait(&ask, &signal).await;
        }
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).remove(&ask.id);
    }

    /// Sends it until its fate is known. False: it was refused for good.
    async fn post(&self, ask: &Ask, mut again: bool) -> bool {
        let until = Instant::now() + Duration::from_secs(60);
        if !again {
            self.note("sent", &ask.id, json!({ "to": ask.to, "text": ask.text, "timeout_ms": ask.timeout_ms, "pad": ask.pad }));
        }
        loop {
            match self.plain.post(ask).await {
                Sent::Stored(seq) => {
                    self.note("acknowledged", &ask.id, json!({ "seq": seq }));
                    return true;
                }
                // What was unknown before has been stored: the same id is the same query. What nobody sent before
                // cannot be there, but a cluster may refuse a right expectation: then it is sent again.
                Sent::Taken => {
                    if self.found(ask).await {
                        return true;
                    }
                    self.note("refused", &ask.id, json!({ "code": "taken", "again": again }));
                }
                Sent::Refused(code, why) => self.note("refused", &ask.id, json!({ "code": code, "why": why })),
                Sent::Unknown(why) => {
                    again = true;
                    self.note("unknown", &ask.id, json!({ "why": why }));
                }
            }
            if Instant::now() > until {
                self.note("given_up", &ask.id, json!({ "maybe_stored": again }));
                return false;
            }
            sleep(AGAIN).await;
        }
    }

    async fn found(&self, ask: &Ask) -> bool {
        let Ok(record) = self.plain.status(&ask.id).await else { return false };
        self.note("acknowledged", &ask.id, json!({ "seq": record["seq"], "found": true }));
        true
    }

    async fn wait(&self, ask: &Ask, signal: &Notify) {
        loop {
            let _ = timeout(LOOK, signal.notified()).await;
            let record = match self.plain.status(&ask.id).await {
                Ok(record) => record,
                Err(why) => {
                    self.note("no_status", &ask.id, json!({ "why": why }));
                    continue;
                }
            };
            let state = record["state"].as_str().unwrap_or_default();
            if is_terminal(state) {
                let text = &record["answer"]["result"]["text"];
                self.note("ended", &ask.id, json!({ "state": state, "end_seq": record["end_seq"], "text": text }));
                return;
            }
        }
    }
}

/// What an earlier life of this client posted, and does not know the end of.
fn left_open(log: &Path) -> Vec<Ask> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let over = |line: &Value| ["ended", "given_up"].iter().any(|event| line["event"] == *event);
    let ended: HashSet<_> = lines.iter().filter(|line| over(line)).filter_map(|line| line["id"].as_str()).collect();
    let open = lines.iter().filter(|line| line["event"] == "sent" && !ended.contains(line["id"].as_str().unwrap_or_default()));
    let read = |line: &Value| {
        let word = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        Ask {
            id: word("id"),
            to: word("to"),
            text: word("text"),
            timeout_ms: line["timeout_ms"].as_u64().unwrap_or(120_000),
            pad: line["pad"].as_u64().and_then(|pad| usize::try_from(pad).ok()).unwrap_or_default(),
            ..Ask::new("", "")
        }
    };
    open.map(read).collect()
}
