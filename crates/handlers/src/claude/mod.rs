//! The claude-code handler: an agent whose work Claude Code does, in the working directory and with the tools and the
//! model of its definition.
//!
//! The program is `claude`, or what the block's `command` says, started for each attempt as a command is (see `exec`):
//! same group, same limits. It speaks lines of JSON in both directions. What it does becomes progress, its requests for
//! permission become questions to the requester, and the text at its end is the answer; no facts are made of that. It
//! always needs trust: it runs with the user's rights, and reads the settings (hooks, servers) of the folder that
//! it runs in.
//!
//! How an attempt ends, besides the codes of `exec`:
//!
//! | code | when | outcome |
//! |---|---|---|
//! | | a text, which meets the query's `reply_schema` if there is one | completed |
//! | `no_answer` | it ends without a text | failed |
//! | `error_during_execution` | it breaks off | retry |
//! | `model_busy`, `model_unavailable` | the API does not do it now, after the program's own tries | retry |
//! | `bad_key`, `out_of_credit` | no key, or a bad one; nothing is paid | failed, with a `hint` |
//! | `model_refused`, `no_such_model`, `answer_cut` | the API will not do it; the model writes more than it may | failed |
//! | `turns_spent`, `budget_spent` | it has used up what it may | failed |
//! | `reply_schema_unmet`, `bad_reply_schema` | its answer does not meet the schema, nor when it is told so; the schema is none, or takes too long to check | failed |
//! | `claude_failed` | it ends in a way that this version does not know | failed |
//!
//! Reading order: this file, `command` and `prompt` (what goes in), `stream` (what comes out), `report`, `permission`,
//! `outcome`.

mod command;
mod outcome;
mod permission;
mod prompt;
mod report;
mod stream;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Done, Fault, Task};
use futures::FutureExt;
use protocol::QueryId;
use roster::{Definition, Limits};
use serde_json::{Value, json};

pub(crate) use command::{program, settings};

use self::{
    report::Reporter,
    stream::{Began, Ended, Said},
};
use crate::{
    attached::Attached,
    checker::Checker,
    exec::{
        AFTER_DEADLINE,
        dialogue::Dialogue,
        not_started,
        process::{Groups, Input, Launch, Line, MAX_LINE, Process, StartError},
        report as tell, until,
        verdict::{Ending, Heard, verdict},
    },
    llm::Wanted,
    trust::Gate,
    web::Secrets,
};

/// The most that it may print where nothing is said, in bytes: 64 MiB. What its tools print, it prints again.
const OUTPUT: u64 = 64 << 20;

/// How long it may take to end when it has answered: it writes its session down.
const LAST: Duration = Duration::from_secs(5);

/// An agent whose work Claude Code does.
#[derive(Debug)]
pub(crate) struct Claude {
    definition: Definition,
    workdir: PathBuf,
    gate: Arc<Gate>,
    groups: Groups,
    checker: Checker,
}

/// What is known of a session so far.
#[derive(Debug, Default)]
struct Session {
    began: Began,
    reporter: Reporter,
    trouble: Option<String>,
    repaired: bool,
}

impl Claude {
    /// The handler of a definition.
    pub(crate) fn new(definition: &Definition, workdir: &std::path::Path, gate: Arc<Gate>, groups: Groups, checker: Checker) -> Self {
        let within = definition.bus.workdir.as_ref();
        let workdir = within.map_or_else(|| workdir.to_owned(), |within| workdir.join(within));
        Self { definition: definition.clone(), workdir, gate, groups, checker }
    }

    /// Works on one query. Dropping the future ends the program.
    pub(crate) async fn answer(&self, task: Task) -> Result<Done, Fault> {
        self.gate.check().await.map_err(|why| Fault::fail(why.code(), why.to_string()).with("hint", why.hint()))?;
        let wanted = Wanted::by(task.query().reply_schema.as_ref(), &self.checker).await?;
        let limits = self.definition.bus.limits.clone().unwrap_or_default();
        // Its files are there for as long as the program is.
        let attached = Attached::of(&task).await?;
        let launch = self.launch(&task, &limits, &attached);
        let input = Input { text: prompt::line(&prompt::query(&task, &files(&task, &attached))) + "\n", stays_open: true };
        let started = Process::start(&launch, input, limits.output.unwrap_or(OUTPUT), &self.groups);
        let mut dialogue = Dialogue::new(started.map_err(not_found)?, self.definition.bus.stall);
        let limit = limits.time.unwrap_or_else(|| until(task.assignment().deadline) + AFTER_DEADLINE);
        let mut session = Session::default();
        let listened = tokio::time::timeout(limit, session.listen(&task, &wanted, &mut dialogue)).await;
        let ended = listened.unwrap_or(Err(Ending::TooLong(limit)));
        dialogue.end().await;
        match ended {
            Ok(done) => done,
            Err(ending) => verdict(ending, Heard::default(), &dialogue.stderr(), self.is_line() || launch.by_shell()).map_err(hinted),
        }
    }

    fn launch(&self, task: &Task, limits: &Limits, attached: &Attached) -> Launch {
        let block = &self.definition.bus;
        let system = prompt::system(&self.definition.body, task.agent(), &self.workdir);
        Launch {
            command: command::command(&self.definition, &system, attached.folder()),
            env: block.env.clone().unwrap_or_default(),
            pass: command::environment(block),
            own: vec![
                ("AGENTBUS_AGENT", task.agent().to_string()),
                ("AGENTBUS_QUERY_ID", task.id().to_string()),
                ("AGENTBUS_ATTEMPT", task.attempt().to_string()),
            ],
            workdir: self.workdir.clone(),
            memory: limits.memory,
            // Its shell commands run in sessions of their own.
            mark: Some(QueryId::mint().to_string()),
        }
    }

    fn is_line(&self) -> bool {
        matches!(self.definition.bus.command, Some(roster::Command::Line(_)))
    }
}

impl Session {
    /// Hears what it says until it has answered, or cannot.
    async fn listen(&mut self, task: &Task, wanted: &Wanted<'_>, dialogue: &mut Dialogue) -> Result<Result<Done, Fault>, Ending> {
        loop {
            let line = match dialogue.line().await? {
                Some(Line::Whole(line)) => line,
                Some(Line::Cut(start)) if stream::begins_an_end(&start) => {
                    return Ok(Err(Fault::fail("output_limit", format!("the answer is longer than {MAX_LINE} bytes"))));
                }
                // A picture, or a file as large: it says nothing that is waited for.
                Some(Line::Cut(_)) => continue,
                None => return Err(dialogue.status().await),
            };
            for said in stream::read(&line) {
                if let Some(end) = self.hear(task, wanted, said, dialogue).await? {
                    self.see_off(dialogue).await;
                    return Ok(end);
                }
            }
        }
    }

    async fn hear(
        &mut self,
        task: &Task,
        wanted: &Wanted<'_>,
        said: Said,
        dialogue: &mut Dialogue,
    ) -> Result<Option<Result<Done, Fault>>, Ending> {
        for report in self.reporter.reports(&said) {
            tell(task, report.status, report.text.map(|text| ("_text", text))).await?;
        }
        match said {
            Said::Began(began) => self.began = began,
            Said::Trouble(word) => self.trouble = Some(word),
            Said::May(may) => {
                let (too_many, task) = (permission::too_many(&may), task.clone());
                if !dialogue.begin(|| permission::decide(task, *may).boxed()) {
                    dialogue.say(too_many).await?;
                }
            }
            Said::Control(request_id) => dialogue.say(permission::unsupported(&request_id)).await?,
            Said::Ended(ended) => return self.judge(wanted, &ended, dialogue).await,
            Said::Text(_) | Said::Tool { .. } | Said::ToolEnded { .. } | Said::Retrying(_) => {}
        }
        Ok(None)
    }

    /// Whether the end of a turn is the end of the attempt. An answer that does not meet the schema is asked for once more.
    async fn judge(&mut self, wanted: &Wanted<'_>, ended: &Ended, dialogue: &mut Dialogue) -> Result<Option<Result<Done, Fault>>, Ending> {
        let text = match outcome::text(ended, self.trouble.as_deref(), &self.began.model) {
            Ok(text) => text,
            Err(fault) => return Ok(Some(Err(fault))),
        };
        // The keys of this program's own are its own affair: none was read here.
        let read = match wanted.read(&text, &Secrets::default()).await {
            Ok(read) => read,
            Err(fault) => return Ok(Some(Err(outcome::costly(fault, ended, &self.began.model)))),
        };
        match read {
            Ok(result) => Ok(Some(Ok(outcome::done(ended, &self.began.model, result)))),
            Err(why) if self.repaired => {
                let fault = Fault::fail("reply_schema_unmet", format!("the answer does not meet the query's reply_schema: {why}"));
                Ok(Some(Err(outcome::costly(fault, ended, &self.began.model))))
            }
            Err(why) => {
                self.repaired = true;
                dialogue.say(prompt::line(&prompt::repair(&why))).await?;
                Ok(None)
            }
        }
    }

    /// Lets it end by itself, for a while.
    async fn see_off(&self, dialogue: &mut Dialogue) {
        dialogue.close_input();
        let ends = async { while let Ok(Some(_)) = dialogue.line().await {} };
        if tokio::time::timeout(LAST, ends).await.is_err() {
            tracing::debug!(session = %self.began.session_id, "Claude Code has answered, and is ended");
        }
    }
}

/// The query's attachments, each with the path of its file.
fn files(task: &Task, attached: &Attached) -> Vec<Value> {
    let mut asked = json!({ "attachments": task.attachments() });
    attached.tell(&mut asked);
    asked.get("attachments").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Why it was not started.
fn not_found(error: StartError) -> Fault {
    hinted(not_started(error))
}

fn hinted(fault: Fault) -> Fault {
    if fault.code() != "command_not_found" {
        return fault;
    }
    fault.with(
        "hint",
        "Where the agents run, install Claude Code so that 'claude' is on PATH, or name the program with 'command' in the bus: block.",
    )
}
