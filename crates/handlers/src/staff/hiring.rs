//! What would do a definition's work, and whether it may: asked before anything is served. Never runs a command.

use std::{path::PathBuf, sync::Arc};

use agentbus::{Agent, Bus, Error, Serving};
use roster::{Definition, Handler, MayCost};

use super::{Sources, Why};
use crate::{
    checker::Checker,
    claude::Claude,
    context::Library,
    exec::{Exec, process::Groups},
    http::Http,
    llm::Llm,
    probe::Probes,
    trust::{Gate, Grant, Record, RecordError, Untrusted},
};

/// What is trusted now, and where commands run.
pub(super) struct Hiring {
    workdir: PathBuf,
    record_at: PathBuf,
    record: Result<Record, RecordError>,
    groups: Groups,
    checker: Checker,
}

/// What does an agent's work.
pub(super) enum Work {
    /// With whom it may ask though that may cost money, if it asks others at all.
    Context(Option<MayCost>),
    Exec(Exec),
    Claude(Claude),
    Llm(Llm),
    Http(Http),
    /// Nothing: its queries wait until somebody takes them.
    Mailbox,
}

impl Hiring {
    pub(super) fn new(sources: &Sources, groups: Groups) -> Self {
        Self {
            workdir: sources.workdir.canonicalize().unwrap_or_else(|_| sources.workdir.clone()),
            record_at: sources.trust.clone(),
            record: Record::read(&sources.trust),
            groups,
            checker: sources.checker.clone(),
        }
    }

    /// What does the work of this definition.
    pub(super) fn work(&self, definition: &Definition) -> Result<Work, Why> {
        match definition.bus.handler() {
            Handler::Context => Ok(Work::Context(definition.bus.delegates().then(|| definition.bus.may_cost.clone()))),
            Handler::Exec => {
                self.judge(definition).map_err(Why::Untrusted)?;
                let exec = Exec::new(definition, self.workdir.clone(), self.gate(definition), self.groups.clone());
                exec.map(Work::Exec).ok_or(Why::NoCommand)
            }
            Handler::ClaudeCode => {
                self.judge(definition).map_err(Why::Untrusted)?;
                Ok(Work::Claude(Claude::new(definition, &self.workdir, self.gate(definition), self.groups.clone(), self.checker.clone())))
            }
            Handler::Llm => {
                let llm = Llm::new(definition, self.workdir.clone(), self.gate(definition), self.checker.clone());
                let llm = llm.map_err(|what| Why::Incomplete(Handler::Llm, what))?;
                self.judge(definition).map_err(Why::Untrusted)?;
                Ok(Work::Llm(llm))
            }
            Handler::Http => {
                let http = Http::new(definition, self.gate(definition)).map_err(|what| Why::Incomplete(Handler::Http, what))?;
                self.judge(definition).map_err(Why::Untrusted)?;
                Ok(Work::Http(http))
            }
            Handler::Mailbox => Ok(Work::Mailbox),
            other => Err(Why::NoHandler(other)),
        }
    }

    /// Adds the probes of this definition, if they may run.
    pub(super) fn probes(&self, definition: &Definition, probes: &mut Probes) -> Result<(), Why> {
        self.judge(definition).map_err(Why::UntrustedProbes)?;
        probes.add(definition, &self.workdir, &self.gate(definition), &self.groups);
        Ok(())
    }

    fn gate(&self, definition: &Definition) -> Arc<Gate> {
        Arc::new(Gate::new(definition, self.workdir.clone(), self.record_at.clone()))
    }

    /// Whether the commands of a definition may run. One that has none needs no trust.
    fn judge(&self, definition: &Definition) -> Result<(), Untrusted> {
        let Some(grant) = Grant::of(definition, &self.workdir) else { return Ok(()) };
        match &self.record {
            Ok(record) => record.judge(&grant),
            Err(error) => Err(Untrusted::NoRecord(error.to_string())),
        }
    }
}

impl Work {
    /// Serves the definition with this work.
    pub(super) async fn serve<'d>(
        self,
        bus: &Bus,
        definition: &'d Definition,
        library: Arc<Library>,
    ) -> Result<(&'d Definition, Serving), Error> {
        let agent = Agent::with_card(definition.card()).capacity(definition.bus.capacity()).lease(definition.bus.lease());
        let serving = match self {
            Self::Context(may_cost) => {
                let answer = move |task| {
                    let (library, may_cost) = (library.clone(), may_cost.clone());
                    async move { library.answer(task, may_cost.as_ref()).await }
                };
                bus.serve(agent, answer).await?
            }
            Self::Exec(exec) => {
                let exec = Arc::new(exec);
                let answer = move |task| {
                    let exec = exec.clone();
                    async move { exec.answer(task).await }
                };
                bus.serve(agent, answer).await?
            }
            Self::Claude(claude) => {
                let claude = Arc::new(claude);
                let answer = move |task| {
                    let claude = claude.clone();
                    async move { claude.answer(task).await }
                };
                bus.serve(agent, answer).await?
            }
            Self::Llm(llm) => {
                let llm = Arc::new(llm);
                let answer = move |task| {
                    let llm = llm.clone();
                    async move { llm.answer(task).await }
                };
                bus.serve(agent, answer).await?
            }
            Self::Http(http) => {
                let http = Arc::new(http);
                let answer = move |task| {
                    let http = http.clone();
                    async move { http.answer(task).await }
                };
                bus.serve(agent, answer).await?
            }
            Self::Mailbox => bus.announce(agent).await?,
        };
        Ok((definition, serving))
    }
}
