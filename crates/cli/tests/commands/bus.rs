//! A real bus: `agentbus up` in a folder of its own, with a few agents of every behaviour.

use std::ops::Deref;

use agentbus::{Agent, Bus, Done, Fault, Handler, Name, Options, Query, Serving, Task, protocol::Extra};
use serde_json::json;
use testkit::{Process, eventually};

use crate::case::Folder;

/// A bus and the folder in which it runs; commands that run there find it.
pub(crate) struct RunningBus {
    // Before the folder, which it writes to until it is gone.
    _up: Process,
    url: String,
    folder: Folder,
}

impl Deref for RunningBus {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// An agent that answers from facts.
const QA: &str =
    "---\nname: qa-expert\ndescription: Plans and runs tests.\nbus:\n  answers: [get_test_context]\n  aliases: [tester]\n---\n";

/// An agent with a dot in its name.
const SHELL: &str = "---\nname: powershell-5.1-expert\ndescription: Writes scripts for old shells.\n---\n";

impl RunningBus {
    /// Starts a bus, and returns when it is up.
    pub(crate) fn start(group: &'static str) -> Self {
        Self::start_with(group, &[])
    }

    /// The same with more options.
    pub(crate) fn start_with(group: &'static str, options: &[&str]) -> Self {
        let folder = Folder::new(group);
        folder.write("agents/qa-expert.md", QA);
        folder.write("agents/powershell.md", SHELL);
        let up = Process::start(&mut folder.command(&[&["up", "--fsync", "2m"], options].concat()));
        let said = up.says("Ctrl-C drains");
        let url = said.split_whitespace().find(|word| word.starts_with("nats://")).expect("where the server is").to_owned();
        Self { _up: up, url, folder }
    }

    /// Where its server listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs a command again and again until it prints a text: what was sent is known a moment later.
    pub(crate) fn until(&self, args: &[&str], text: &str) {
        eventually(&format!("{text:?} from {args:?}"), || {
            let output = self.run(args);
            if output.stdout.contains(text) { Ok(()) } else { Err(output) }
        });
    }

    /// A client of the SDK, under this name.
    pub(crate) async fn client(&self, name: &str) -> Bus {
        Bus::connect(Options::new(self.url.clone(), named(name))).await.expect("the bus is there")
    }

    /// Serves as an agent, and returns when the coordinator knows of it.
    pub(crate) async fn serve(&self, name: &str, request_type: &str, handler: impl Handler) -> (Bus, Serving) {
        let bus = self.client(name).await;
        let mut serving = bus.serve(Agent::new(named(name)).answers(request_type).capacity(8), handler).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        (bus, serving)
    }

    /// `builder`: reports progress, and completes.
    pub(crate) async fn builder(&self) -> (Bus, Serving) {
        self.serve("builder", "build", |task: Task| async move {
            let step: Extra = [("step".to_owned(), json!(1)), ("of".to_owned(), json!(2))].into_iter().collect();
            task.progress("building", step).await?;
            Ok(Done::new("Built 2 of 2 parts.").result(json!({ "parts": ["server", "client"] })))
        })
        .await
    }

    /// `clumsy`: fails for good.
    pub(crate) async fn clumsy(&self) -> (Bus, Serving) {
        self.serve("clumsy", "break", |_: Task| async { Err::<Done, _>(Fault::fail("no_tools", "There is no compiler here.")) }).await
    }

    /// `planner`: asks `builder` and somebody who is not there, on behalf of what it is asked.
    pub(crate) async fn planner(&self) -> (Bus, Serving) {
        self.serve("planner", "plan", |task: Task| async move {
            let mut delivered = Vec::new();
            for target in ["builder", "nobody"] {
                let mut query = Query::new(task.agent().clone(), "build", task.text());
                query.target = Some(named(target));
                delivered.push(task.ask(query).await?.ended().await?.notification().to_owned());
            }
            Ok(Done::new(delivered.join(" ")))
        })
        .await
    }

    /// `sleeper`: takes a query and never answers it.
    pub(crate) async fn sleeper(&self) -> (Bus, Serving) {
        self.serve("sleeper", "wait", |_: Task| std::future::pending::<Result<Done, Fault>>()).await
    }
}

fn named(name: &str) -> Name {
    name.parse().expect("a name")
}
