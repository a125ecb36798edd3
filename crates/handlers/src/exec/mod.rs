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
//! | `attachments` | each with its `name`, `size`, `digest`, and the `path` of a file that is there until the attempt is over |
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
//! | `not_interactive` | it asks something, and its input is closed | failed, with a `hint` |
//! | `question_unanswered`, `nobody_to_ask`, `too_many_questions` | a question without a default has no reply | failed |
//! | `input_not_read` | it asks, and does not read what it is told | failed |
//! | `untrusted` | it is not, or no longer, trusted (see `trust`) | failed, with a `hint` |
//!
//! A failure carries `exit_code` or `signal`, `stderr_tail` (the last 4 KiB), and `input_closed` if it was not there to be
//! told what it asked for. When the attempt is over, however it ends, the whole group is.
//!
//! Reading order: this file, `said` (lines), `converse` (what it asks), `verdict` (endings), `dialogue` and `process`
//! (running a command).

mod converse;
pub(crate) mod dialogue;
pub(crate) mod process;
pub(crate) mod said;
pub(crate) mod verdict;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agentbus::{Done, Fault, Name, Task, protocol::Extra};
use futures::FutureExt;
use jiff::Timestamp;
use roster::{Bus as Block, Command, Definition};
use serde_json::Value;

pub(crate) use said::nests_too_deeply;

use self::{
    dialogue::Dialogue,
    process::{Groups, Input, Launch, Line, MAX_LINE, Process, StartError},
    said::{Said, Told},
    verdict::{Ending, Heard, verdict},
};
use crate::{attached::Attached, trust::Gate};

/// How long after the deadline a command is ended, where no word comes from a coordinator, which is
/// the judge of deadlines.
pub(crate) const AFTER_DEADLINE: Duration = Duration::from_secs(60);

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
        let workdir = block.workdir.as_ref().map_or_else(|| workdir.clone(), |within| workdir.join(within));
        Some(Self { command: block.command.clone()?, block, definition: path, workdir, gate, groups })
    }

    /// Works on one query. Dropping the future ends the command.
    pub(crate) async fn answer(&self, task: Task) -> Result<Done, Fault> {
        self.gate.check().await.map_err(|why| Fault::fail(why.code(), why.to_string()).with("hint", why.hint()))?;
        let limits = self.block.limits.clone().unwrap_or_default();
        let launch = self.launch(&task, limits.memory);
        // Its files are there for as long as the command is.
        let attached = Attached::of(&task).await?;
        let input = Input { text: self.input(&task, &attached), stays_open: self.stays_open() };
        let started = Process::start(&launch, input, limits.output(), &self.groups);
        let mut dialogue = Dialogue::new(started.map_err(not_started)?, self.block.stall);
        let mut heard = Heard::default();
        let limit = limits.time.unwrap_or_else(|| until(task.assignment().deadline) + AFTER_DEADLINE);
        let listened = tokio::time::timeout(limit, self.listen(&task, &mut dialogue, &mut heard)).await;
        let ending = listened.unwrap_or(Ending::TooLong(limit));
        dialogue.end().await;
        heard.unheard = dialogue.is_unheard();
        verdict(ending, heard, &dialogue.stderr(), launch.by_shell())
    }

    fn launch(&self, task: &Task, memory: Option<u64>) -> Launch {
        Launch {
            command: self.command.clone(),
            env: self.block.env.clone().unwrap_or_default(),
            pass: self.block.pass_env.clone().unwrap_or_default(),
            own: vec![
                ("AGENTBUS_AGENT", task.agent().to_string()),
                ("AGENTBUS_QUERY_ID", task.id().to_string()),
                ("AGENTBUS_ATTEMPT", task.attempt().to_string()),
            ],
            workdir: self.workdir.clone(),
            memory,
            mark: None,
        }
    }

    /// The query as a line.
    fn input(&self, task: &Task, attached: &Attached) -> String {
        let mut asked = asked(task, &self.definition);
        attached.tell(&mut asked);
        asked.to_string() + "\n"
    }

    /// Hears what the command says until its end.
    async fn listen(&self, task: &Task, dialogue: &mut Dialogue, heard: &mut Heard) -> Ending {
        loop {
            let line = match dialogue.line().await {
                Ok(Some(line)) => line,
                Ok(None) => return dialogue.status().await,
                Err(ending) => return ending,
            };
            if let Err(ending) = self.hear(task, line, dialogue, heard).await {
                return ending;
            }
        }
    }

    async fn hear(&self, task: &Task, line: Line, dialogue: &mut Dialogue, heard: &mut Heard) -> Result<(), Ending> {
        let line = match line {
            Line::Whole(line) => line,
            Line::Cut(start) if said::is_meant_for_us(&start) => {
                return Err(Ending::Bad(format!("it is longer than {MAX_LINE} bytes")));
            }
            Line::Cut(start) => start,
        };
        match said::read(&line) {
            Said::Progress(said) => report(task, said.status, said.progress).await?,
            Said::Fact(told) => heard.facts.push(self.fact(task.agent(), told)),
            Said::Answer(_) if heard.answer.is_some() => return Err(Ending::Bad("it answers a second time".to_owned())),
            Said::Answer(mut given) => {
                heard.facts.extend(std::mem::take(&mut given.facts).into_iter().map(|told| self.fact(task.agent(), told)));
                heard.answer = Some(*given);
                dialogue.close_input();
            }
            Said::Question(_) | Said::Ask(_) if heard.answer.is_some() => {
                return Err(Ending::Bad("it asks after it has answered".to_owned()));
            }
            Said::Question(_) | Said::Ask(_) if !self.stays_open() => return Err(Ending::Failed(not_interactive())),
            Said::Question(asked) => {
                let (too_many, task) = (asked.too_many(), task.clone());
                if !dialogue.begin(|| asked.reply(task).boxed()) {
                    dialogue.say(too_many).await?;
                }
            }
            Said::Ask(wanted) => {
                let (too_many, task) = (wanted.too_many(), task.clone());
                if !dialogue.begin(|| wanted.answer(task).boxed()) {
                    dialogue.say(too_many).await?;
                }
            }
            Said::Bad(why) => return Err(Ending::Bad(why)),
            Said::Other => {
                let line: String = line.chars().take(LOGGED).collect();
                tracing::info!(agent = %task.agent(), id = %task.id(), ?line, "the command says");
            }
        }
        Ok(())
    }

    fn stays_open(&self) -> bool {
        self.block.interactive.unwrap_or(false)
    }

    fn fact(&self, agent: &Name, told: Told) -> agentbus::Fact {
        told.fact(agent, &self.command.to_string(), now())
    }
}

/// Why a command was not started, as the end of its attempt.
pub(crate) fn not_started(error: StartError) -> Fault {
    let fault = if error.may_pass() { Fault::retry } else { Fault::fail };
    fault(error.code(), error.to_string())
}

fn not_interactive() -> Fault {
    let fault = Fault::fail("not_interactive", "the command asks something, and its input is closed");
    fault.with("hint", "Set 'interactive: true' in the definition's bus: block, and trust it again.")
}

/// The query as a command, or whoever else is to answer it, gets it: as posted, with who asks, who is to answer and by when.
pub(crate) fn asked(task: &Task, definition: &Path) -> Value {
    let mut asked = match serde_json::to_value(task.query()) {
        Ok(Value::Object(query)) => query,
        // A query came as an object of JSON.
        _ => Extra::new(),
    };
    let mut set = |field: &str, value: Value| drop(asked.insert(field.to_owned(), value));
    set("type", "query".into());
    set("id", task.id().to_string().into());
    set("from", task.requester().as_str().into());
    set("agent", task.agent().as_str().into());
    set("attempt", task.attempt().into());
    set("deadline", task.assignment().deadline.to_string().into());
    set("definition", definition.to_string_lossy().into());
    Value::Object(asked)
}

/// Passes a report on. One that cannot be stored just now is not worth the work itself.
pub(crate) async fn report<K: Into<String>, V: Into<Value>>(
    task: &Task,
    status: String,
    progress: impl IntoIterator<Item = (K, V)>,
) -> Result<(), Ending> {
    match task.progress(status, progress).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.code(), "schema_violation" | "payload_too_large") => Err(Ending::Bad(format!("progress: {error}"))),
        Err(error) => {
            tracing::warn!(agent = %task.agent(), id = %task.id(), %error, "a progress report is not stored");
            Ok(())
        }
    }
}

/// How long it is until then, by this machine's clock.
pub(crate) fn until(then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
}

/// Now, in whole microseconds.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
