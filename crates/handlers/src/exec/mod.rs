//! The exec handler: an agent whose work a command does.
//!
//! The command is started for each attempt, in the working directory, in a process group of its own
//! and with a small environment: `PATH` and the like, the `env` of its definition,
//! `AGENTBUS_AGENT`, `AGENTBUS_QUERY_ID` and `AGENTBUS_ATTEMPT`. A list of words is started as it is; a
//! line goes to `sh -c`.
//!
//! On its standard input it gets one line of JSON, and then the end of the input (with
//! `interactive: true` the input stays open until the command has answered). The line is the query as
//! it was posted, with these fields:
//!
//! | field | |
//! |---|---|
//! | `type` | `query` |
//! | `id`, `from`, `attempt`, `deadline` | of the query and of this attempt |
//! | `agent`, `definition` | who is to answer, and the path of the file that defines it |
//! | `request_type`, `payload`, `context_tags`, … | as posted |
//!
//! On its standard output each line that is a JSON object with a `type` of ours speaks to the bus (see
//! `said`); others go to the log. How an attempt ends:
//!
//! | code | when | outcome |
//! |---|---|---|
//! | | exit code 0 after an `answer` | completed |
//! | `no_answer`, `exit_status` | exit code 0 without an answer; any other code | failed |
//! | `temporary_failure`, `killed_by_signal` | exit code 75; a signal | retry |
//! | `command_not_found`, `command_not_executable`, `bad_command`, `no_such_folder` | it cannot be started | failed |
//! | `command_not_started`, `command_lost` | the machine does not start it, or loses it | retry |
//! | `bad_output` | a line for the bus is not right, is longer than 1 MiB, or answers twice | failed |
//! | `output_limit`, `time_limit` | a limit is exceeded | failed |
//! | `stalled` | it prints no line for as long as `stall` says | retry |
//! | `unsupported` | it asks a question | failed |
//! | `untrusted` | it is not, or no longer, trusted (see `trust`) | failed, with a `hint` |
//!
//! A failure carries `exit_code` or `signal`, and `stderr_tail` (the last 4 KiB). When the attempt is
//! over, however it ends, the whole group is.
//!
//! Reading order: this file, `said` (lines), `verdict` (endings), `process` (running a command).

pub(crate) mod process;
mod said;
mod verdict;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Done, Fault, Name, Task, protocol::Extra};
use jiff::Timestamp;
use roster::{Bus as Block, Command, Definition};
use serde_json::Value;

pub(crate) use said::nests_too_deeply;

use self::{
    process::{Groups, Input, Launch, Line, MAX_LINE, Process},
    said::{Report, Said, Told},
    verdict::{Ending, Heard, verdict},
};
use crate::trust::Gate;

/// How long after the deadline a command is ended, where no word comes from a coordinator, which is
/// the judge of deadlines.
const AFTER_DEADLINE: Duration = Duration::from_secs(60);

/// How much of a line is logged, in characters.
const LOGGED: usize = 400;

/// An agent whose work a command does.
#[derive(Debug)]
pub(crate) struct Exec {
    command: Command,
    block: Block,
    definition: PathBuf,
    workdir: PathBuf,
    gate: Arc<Gate>,
    groups: Groups,
}

impl Exec {
    /// The handler of a definition; none where the definition names no command.
    pub(crate) fn new(definition: &Definition, workdir: PathBuf, gate: Arc<Gate>, groups: Groups) -> Option<Self> {
        let block = definition.bus.clone();
        let path = definition.path.canonicalize().unwrap_or_else(|_| definition.path.clone());
        Some(Self { command: block.command.clone()?, block, definition: path, workdir, gate, groups })
    }

    /// Works on one query. Dropping the future ends the command.
    pub(crate) async fn answer(&self, task: Task) -> Result<Done, Fault> {
        self.gate.check().await.map_err(|why| Fault::fail(why.code(), why.to_string()).with("hint", why.hint()))?;
        let limits = self.block.limits.clone().unwrap_or_default();
        let launch = self.launch(&task, limits.memory);
        let input = Input { text: self.input(&task), stays_open: self.block.interactive.unwrap_or(false) };
        let started = Process::start(&launch, input, limits.output(), &self.groups);
        let mut process = started.map_err(|error| match error.may_pass() {
            true => Fault::retry(error.code(), error.to_string()),
            false => Fault::fail(error.code(), error.to_string()),
        })?;
        let mut heard = Heard::default();
        let limit = limits.time.unwrap_or_else(|| until(task.assignment().deadline) + AFTER_DEADLINE);
        let listened = tokio::time::timeout(limit, self.listen(&task, &mut process, &mut heard)).await;
        let ending = listened.unwrap_or(Ending::TooLong(limit));
        process.end().await;
        verdict(ending, heard, &process.stderr(), launch.by_shell())
    }

    fn launch(&self, task: &Task, memory: Option<u64>) -> Launch {
        Launch {
            command: self.command.clone(),
            env: self.block.env.clone().unwrap_or_default(),
            own: vec![
                ("AGENTBUS_AGENT", task.agent().to_string()),
                ("AGENTBUS_QUERY_ID", task.id().to_string()),
                ("AGENTBUS_ATTEMPT", task.attempt().to_string()),
            ],
            workdir: self.workdir.clone(),
            memory,
        }
    }

    /// The query as a line.
    fn input(&self, task: &Task) -> String {
        let mut line = match serde_json::to_value(task.query()) {
            Ok(Value::Object(query)) => query,
            // A query came as an object of JSON.
            _ => Extra::new(),
        };
        let mut set = |field: &str, value: Value| drop(line.insert(field.to_owned(), value));
        set("type", "query".into());
        set("id", task.id().to_string().into());
        set("from", task.requester().as_str().into());
        set("agent", task.agent().as_str().into());
        set("attempt", task.attempt().into());
        set("deadline", task.assignment().deadline.to_string().into());
        set("definition", self.definition.to_string_lossy().into());
        Value::Object(line).to_string() + "\n"
    }

    /// Hears what the command says until its end.
    async fn listen(&self, task: &Task, process: &mut Process, heard: &mut Heard) -> Ending {
        let stall = self.block.stall.unwrap_or(Duration::MAX);
        loop {
            let line = match tokio::time::timeout(stall, process.line()).await {
                Ok(Ok(Some(line))) => line,
                Ok(Ok(None)) => break,
                Ok(Err(too_much)) => return too_much.into(),
                Err(_) => return Ending::Stalled(stall),
            };
            if let Err(ending) = self.hear(task, line, process, heard).await {
                return ending;
            }
        }
        // A command that has closed its output goes on in silence, and may not do so for ever either.
        match tokio::time::timeout(stall, process.status()).await {
            Ok(Ok(status)) => Ending::Exited(status),
            Ok(Err(error)) => Ending::Lost(error.to_string()),
            Err(_) => Ending::Stalled(stall),
        }
    }

    async fn hear(&self, task: &Task, line: Line, process: &Process, heard: &mut Heard) -> Result<(), Ending> {
        let line = match line {
            Line::Whole(line) => line,
            Line::Cut(start) if said::is_meant_for_us(&start) => {
                return Err(Ending::Bad(format!("it is longer than {MAX_LINE} bytes")));
            }
            Line::Cut(start) => start,
        };
        match said::read(&line) {
            Said::Progress(report) => progress(task, report).await?,
            Said::Fact(told) => heard.facts.push(self.fact(task.agent(), told)),
            Said::Answer(_) if heard.answer.is_some() => return Err(Ending::Bad("it answers a second time".to_owned())),
            Said::Answer(mut given) => {
                heard.facts.extend(std::mem::take(&mut given.facts).into_iter().map(|told| self.fact(task.agent(), told)));
                heard.answer = Some(*given);
                process.close_input();
            }
            Said::Question => return Err(Ending::Question),
            Said::Bad(why) => return Err(Ending::Bad(why)),
            Said::Other => {
                let line: String = line.chars().take(LOGGED).collect();
                tracing::info!(agent = %task.agent(), id = %task.id(), ?line, "the command says");
            }
        }
        Ok(())
    }

    fn fact(&self, agent: &Name, told: Told) -> agentbus::Fact {
        told.fact(agent, &self.command.to_string(), now())
    }
}

/// Passes a report on. One that cannot be stored just now is not worth the work itself.
async fn progress(task: &Task, report: Report) -> Result<(), Ending> {
    match task.progress(report.status, report.progress).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.code(), "schema_violation" | "payload_too_large") => Err(Ending::Bad(format!("progress: {error}"))),
        Err(error) => {
            tracing::warn!(agent = %task.agent(), id = %task.id(), %error, "a progress report is not stored");
            Ok(())
        }
    }
}

/// How long it is until then, by this machine's clock.
fn until(then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
}

/// Now, in whole microseconds.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
