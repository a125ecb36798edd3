//! Durable, routed queries, counted only when their ending is confirmed; and in the same rounds what a
//! raw request-reply and a single durable publish take.

use std::{process::ExitCode, time::Duration};

use agentbus::{Bus, Options, Query, State};
use clap::Args;
use nats::{Raw, server::Fsync};
use serde::Serialize;

use super::{
    ground::{ECHO, Ground, RAW},
    load::{Sample, closed_loop},
    process::{Part, processor_time},
    show,
};
use crate::{
    commands::up::{FsyncArg, fsync},
    failure::{Exit, Failure},
    options, printer,
};

/// Where the single publishes go.
const STORED: &str = "raw.stored";

/// The text of each query.
const TEXT: &str = "Context needed: team size, ML workloads, deployment targets, tests";

/// Options of `bench queries`.
#[derive(Debug, Args)]
pub(super) struct Queries {
    /// How many at once, one measurement for each
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,8,64")]
    concurrency: Vec<usize>,
    /// How long each measurement takes
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = options::duration)]
    time: Duration,
    /// How often everything is measured: the median counts, and the spread is shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// When the server forces writes to the disk: 'always', or every so often
    #[arg(long, value_name = "always|DURATION", default_value = "2m", value_parser = fsync)]
    fsync: FsyncArg,
    /// The agent says that it has taken a query before it answers, as those do whose work takes time: one more stored message
    #[arg(long)]
    accept: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Everything that was measured.
#[derive(Serialize)]
pub(super) struct Report {
    version: &'static str,
    pub(super) server: String,
    pub(super) cores: usize,
    pub(super) fsync: String,
    /// Whether the agent accepted each query before it answered.
    pub(super) accept: bool,
    pub(super) rounds: u32,
    pub(super) levels: Vec<Level>,
}

/// One concurrency, with the figures of every round.
#[derive(Serialize)]
pub(super) struct Level {
    pub(super) concurrency: usize,
    pub(super) request_reply: Series,
    pub(super) durable_publish: Series,
    pub(super) query: Series,
    /// The query's p50 divided by that of the request-reply of the same round.
    pub(super) to_request_reply: Vec<f64>,
    /// The query's p50 divided by that of the durable publish of the same round.
    pub(super) to_durable_publish: Vec<f64>,
    /// Processor time that one query costs each process; of all rounds.
    pub(super) processor_us: Option<Processor>,
}

/// One thing's figures, one of each round.
#[derive(Default, Serialize)]
pub(super) struct Series {
    pub(super) p50_us: Vec<f64>,
    pub(super) p99_us: Vec<f64>,
    pub(super) per_second: Vec<f64>,
    pub(super) count: u64,
}

/// Processor time for each query, in microseconds.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Processor {
    pub(super) server: f64,
    pub(super) coordinator: f64,
    pub(super) agent: f64,
    pub(super) client: f64,
}

impl Series {
    fn add(&mut self, sample: &Sample) {
        self.p50_us.push(micros(sample.p50()));
        self.p99_us.push(micros(sample.p99()));
        self.per_second.push(sample.per_second());
        self.count += sample.count();
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Queries {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        if self.concurrency.iter().any(|many| !(1..=1024).contains(many)) {
            return Err(Failure::usage("usage", "--concurrency takes numbers from 1 to 1024"));
        }
        let ground = Ground::start(self.fsync.0).await?;
        let field = Field::lay(&ground, self.accept).await?;
        let mut levels: Vec<Level> = self.concurrency.iter().map(|many| Level::new(*many)).collect();
        let one = Duration::from_millis(500).min(self.time);
        field.query(8, one).await?;
        for round in 1..=self.rounds {
            for level in &mut levels {
                printer::say(format!("round {round} of {}: {} at once", self.rounds, level.concurrency));
                level.measure(&field, self.time).await?;
            }
        }
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            server: ground.version(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            fsync: match self.fsync.0 {
                Fsync::Always => "always".to_owned(),
                Fsync::Every(every) => format!("every {every:?}"),
            },
            accept: self.accept,
            rounds: self.rounds,
            levels,
        };
        drop(field);
        ground.stop().await?;
        if self.json {
            printer::json(&report)
        } else {
            printer::data(show::queries(&report))
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Level {
    fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            request_reply: Series::default(),
            durable_publish: Series::default(),
            query: Series::default(),
            to_request_reply: Vec::new(),
            to_durable_publish: Vec::new(),
            processor_us: None,
        }
    }

    async fn measure(&mut self, field: &Field, time: Duration) -> Result<(), Failure> {
        let raw = field.request(self.concurrency, time).await?;
        let stored = field.publish(self.concurrency, time).await?;
        let before = field.processor();
        let query = field.query(self.concurrency, time).await?;
        let used = before.zip(field.processor()).map(|(before, after)| after.since(&before, query.count()));
        let of = |other: &Sample| query.p50().as_secs_f64() / other.p50().as_secs_f64().max(1e-9);
        self.to_request_reply.push(of(&raw));
        self.to_durable_publish.push(of(&stored));
        self.request_reply.add(&raw);
        self.durable_publish.add(&stored);
        self.query.add(&query);
        self.processor_us = used.or(self.processor_us);
        Ok(())
    }
}

/// The processes, and this one's connections to them.
struct Field {
    server: u32,
    coordinator: Part,
    agent: Part,
    bus: Bus,
    raw: Raw,
}

impl Field {
    async fn lay(ground: &Ground, accepts: bool) -> Result<Self, Failure> {
        let coordinator = ground.coordinator().await?;
        let agent = ground.agent(accepts).await?;
        let name = "bench".parse().map_err(agentbus::Error::from)?;
        let bus = Bus::connect(Options::new(ground.url(), name)).await?;
        let raw = Raw::connect(&ground.url()).await?;
        raw.stream("raw".to_owned(), STORED.to_owned()).await?;
        Ok(Self { server: ground.pid(), coordinator, agent, bus, raw })
    }

    async fn request(&self, concurrency: usize, time: Duration) -> Result<Sample, Failure> {
        let raw = self.raw.clone();
        let op = move || {
            let raw = raw.clone();
            async move { Ok(raw.request(RAW.to_owned(), TEXT.into()).await?) }
        };
        closed_loop(concurrency, time, op).await
    }

    async fn publish(&self, concurrency: usize, time: Duration) -> Result<Sample, Failure> {
        let raw = self.raw.clone();
        let op = move || {
            let raw = raw.clone();
            async move { Ok(raw.publish(STORED.to_owned(), TEXT.into()).await?) }
        };
        closed_loop(concurrency, time, op).await
    }

    async fn query(&self, concurrency: usize, time: Duration) -> Result<Sample, Failure> {
        let bus = self.bus.clone();
        let op = move || {
            let bus = bus.clone();
            async move { confirmed(&bus).await }
        };
        closed_loop(concurrency, time, op).await
    }

    fn processor(&self) -> Option<Used> {
        Some(Used {
            server: processor_time(self.server)?,
            coordinator: processor_time(self.coordinator.pid())?,
            agent: processor_time(self.agent.pid())?,
            client: processor_time(std::process::id())?,
        })
    }
}

/// Posts a query, and returns when its answer is confirmed: the ledger holds it.
async fn confirmed(bus: &Bus) -> Result<(), Failure> {
    let mut query = Query::new(bus.name().clone(), "request", TEXT);
    query.target = Some(ECHO.parse().map_err(agentbus::Error::from)?);
    let ended = bus.ask(query).await?.ended().await?;
    if ended.state == State::Completed && ended.answer.is_some() {
        return Ok(());
    }
    Err(Failure::new(Exit::Ended, ended.state.as_str(), format!("a query ended badly: {}", ended.notification())))
}

/// Processor time used so far.
struct Used {
    server: Duration,
    coordinator: Duration,
    agent: Duration,
    client: Duration,
}

impl Used {
    fn since(&self, before: &Self, queries: u64) -> Processor {
        let each = |after: Duration, before: Duration| micros(after.saturating_sub(before)) / queries.max(1) as f64;
        Processor {
            server: each(self.server, before.server),
            coordinator: each(self.coordinator, before.coordinator),
            agent: each(self.agent, before.agent),
            client: each(self.client, before.client),
        }
    }
}
