//! The permissions of deploy/permissions.conf: with exactly these, every role does its work, and
//! none does another's.

use agentbus::{Agent, Bus, Done, Options, Query, State, Task};
use protocol::{Kind, QueryId};
use serde_json::json;
use testkit::{ConfiguredServer, Process, agentbus};

use crate::bus::name;

const CONF: &str = include_str!("../../deploy/permissions.conf");

/// The users; each one's password is its name backwards.
const USERS: [&str; 7] = ["coordinator", "alice", "summariser", "agent-host", "editor", "console", "keeper"];

async fn server() -> ConfiguredServer {
    let variable = |user: &str| format!("{}_PASSWORD: \"{}\"\n", user.to_uppercase().replace('-', "_"), password(user));
    ConfiguredServer::start(&format!("{}{CONF}", USERS.map(variable).concat())).await
}

fn password(user: &str) -> String {
    user.chars().rev().collect()
}

async fn client(server: &ConfiguredServer, user: &str) -> Bus {
    Bus::connect(Options::new(server.url_for(user, &password(user)), name(user))).await.expect("it is let in")
}

/// What the server has refused so far.
fn refused(server: &ConfiguredServer) -> Vec<String> {
    server.log().lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_role_works_with_its_own_permissions_and_no_more() {
    let server = server().await;
    let folder = tempfile::tempdir().expect("a folder");
    let start = |user: &str, words: &[&str]| {
        Process::start(agentbus(folder.path()).args(words).args(["--nats", &server.url_for(user, &password(user))]))
    };
    let coordinator = start("coordinator", &["serve", "coordinator"]);
    let _ = coordinator.says("serves the bus");
    let host = start("agent-host", &["serve", "agents"]);
    let _ = host.says("1 agent;");
    let watch = start("console", &["watch", "--json", "--as", "console"]);

    let summariser = client(&server, "summariser").await;
    let agent = Agent::new(name("summariser")).answers("summarise_*");
    let handler = |task: Task| async move {
        task.progress("reading", agentbus::protocol::Extra::new()).await?;
        let mut done = Done::new("Summarised.").result(json!(task.text().len()));
        for attachment in task.attachments() {
            done = done.attach(&attachment.name, &task.fetch(attachment).await?);
        }
        Ok(done)
    };
    let mut serving = summariser.serve(agent, handler).await.expect("it serves");
    assert!(serving.known().await, "a coordinator knows of it");
    summariser.notify("Ready for texts.").await.expect("noticed");

    let alice = client(&server, "alice").await;
    for (request, agent) in [("summarise_text", "summariser"), ("get_project_context", "context-manager")] {
        let ended = alice.ask(Query::new(name("alice"), request, "languages")).await.expect("posted").ended().await.expect("it ends");
        let answer = ended.answer.unwrap_or_else(|| panic!("{request}: {:?}", ended.close));
        assert_eq!((ended.state, answer.agent.as_str()), (State::Completed, agent));
    }
    assert_eq!(alice.list(None, None, 9).await.expect("a list").len(), 2);
    let large = crate::attachments::bytes(1, 600 << 10);
    let enclosing = Query::new(name("alice"), "summarise_text", "languages").attach(agentbus::Attachment::inline("large", &large));
    let ended = alice.ask(enclosing).await.expect("posted").ended().await.expect("it ends");
    let answer = ended.answer.unwrap_or_else(|| panic!("{:?}", ended.close));
    assert!(alice.fetch(answer.attachments.first().expect("it comes back")).await.expect("its bytes") == large);
    let mut nobody = Query::new(name("alice"), "request", "hello");
    nobody.target = Some(name("summariser"));
    nobody.id = Some(QueryId::mint());
    serving.drain(std::time::Duration::from_secs(5)).await;
    let waiting = alice.ask(nobody).await.expect("posted");
    alice.cancel(waiting.id(), None).await.expect("cancelled");
    let ended = waiting.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Cancelled);
    assert_eq!(alice.history(ended.id).await.expect("its record").state, State::Cancelled);

    let run_as = |user: &str, words: &[&str]| {
        let url = server.url_for(user, &password(user));
        let output = Process::run(agentbus(folder.path()).args(words).args(["--nats", &url]).env("AGENTBUS_NAME", user));
        assert_eq!(output.code, Some(0), "{words:?}: {output:?}");
        output.stdout
    };
    let run = |words: &[&str]| run_as("editor", words);
    let _ = run(&["context", "set", "team.size", "12", "--source", "staff list"]);
    assert!(run(&["context", "list"]).contains("team.size"));
    let _ = run(&["context", "unset", "team.size"]);

    let durable = start("console", &["watch", "--durable", "night", "--from-seq", "1", "--as", "console"]);
    let _ = durable.says("Cancelled");
    durable.signal("TERM");
    assert_eq!(durable.finish().code, Some(0));
    let _ = run_as("console", &["watch", "--forget", "night"]);
    assert!(run_as("console", &["dead", "list", "--json"]).contains("\"letters\": []"));
    assert!(run_as("keeper", &["verify"]).contains("clean"));
    assert!(run_as("keeper", &["backup", "copy"]).contains("bus-blobs"));

    let _ = watch.says("\"close\"");
    for part in [watch, host, coordinator] {
        part.signal("TERM");
        let ended = part.finish();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(refused(&server), Vec::<String>::new(), "the permissions lack something");
}

#[tokio::test]
async fn a_host_asks_in_the_names_of_those_that_delegate_and_in_no_other() {
    let server = server().await;
    let _coordinator = crate::bus::coordinate(&server.url_for("coordinator", &password("coordinator"))).await;
    let (host, summariser, alice) =
        (client(&server, "agent-host").await, client(&server, "summariser").await, client(&server, "alice").await);
    let to = |target: &str| {
        let mut query = Query::new(name("alice"), "request", "languages");
        (query.target, query.attempts) = (Some(name(target)), Some(1));
        query
    };
    let asks = move |task: Task| async move {
        let ended = task.ask(to("summariser")).await?.ended().await?;
        Ok(Done::new(format!("{} {}", ended.state, ended.notification())))
    };
    let says = |_: Task| async { Ok(Done::new("Summarised.")) };
    let mut serving = vec![summariser.serve(Agent::new(name("summariser")), says).await.expect("it serves")];
    for agent in ["context-manager", "other"] {
        serving.push(host.serve(Agent::new(name(agent)), asks).await.expect("it serves"));
    }
    for instance in &mut serving {
        assert!(instance.known().await, "a coordinator knows of it");
    }
    let ask = async |target: &str| alice.ask(to(target)).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ask("context-manager").await.notification(), "completed Summarised.");
    assert_eq!(refused(&server), Vec::<String>::new(), "the permissions lack something");
    let failed = ask("other").await;
    assert!(failed.state == State::Dead && failed.notification().contains("forbidden"), "{failed:?}");
}

#[tokio::test]
async fn nobody_writes_in_anothers_name() {
    let server = server().await;
    let url = server.url_for("coordinator", &password("coordinator"));
    let _coordinator = crate::bus::coordinate(&url).await;
    let (alice, summariser, console) =
        (client(&server, "alice").await, client(&server, "summariser").await, client(&server, "console").await);
    let mut query = Query::new(name("alice"), "request", "hello");
    query.target = Some(name("context-manager"));
    let id = alice.post(query).await.expect("posted").id;

    let forgeries = [
        (&summariser, format!("bus.answer.{id}.context-manager.alice")),
        (&summariser, format!("bus.progress.{id}.context-manager.alice")),
        (&summariser, format!("bus.close.{id}.alice.alice")),
        (&summariser, format!("bus.assign.{id}.alice.summariser")),
        (&summariser, format!("bus.cancel.{id}.alice.coordinator")),
        (&summariser, format!("bus.query.{id}.alice.any")),
        (&summariser, format!("bus.end.alice.{id}")),
        (&summariser, "bus.hand.context-manager.someone".to_owned()),
        (&summariser, "agents.hb.context-manager.bus.someone".to_owned()),
        (&summariser, "agentbus.cancel.alice".to_owned()),
        (&summariser, "$JS.API.STREAM.DELETE.bus-ledger".to_owned()),
        (&summariser, format!("$JS.API.DIRECT.GET.bus-ledger.bus.query.{id}.alice.context-manager")),
        (&summariser, "$KV.bus-facts.alice.team.size".to_owned()),
        (&summariser, format!("bus.blob.{id}.{}", "0".repeat(64))),
        (&summariser, format!("$JS.API.DIRECT.GET.bus-blobs.bus.blob.{id}.{}", "0".repeat(64))),
        (&summariser, "$JS.API.STREAM.MSG.GET.bus-blobs".to_owned()),
        (&summariser, "$JS.API.STREAM.CREATE.bus-blobs".to_owned()),
        (&summariser, "agentbus.attach.alice".to_owned()),
        (&alice, format!("bus.blob.{id}.{}", "0".repeat(64))),
        (&alice, "$JS.API.STREAM.MSG.GET.bus-blobs".to_owned()),
        (&alice, format!("bus.answer.{id}.context-manager.alice")),
        (&alice, format!("bus.close.{id}.alice.alice")),
        (&console, format!("bus.cancel.{id}.alice.coordinator")),
        (&console, "$JS.API.STREAM.PURGE.bus-ledger".to_owned()),
    ];
    for (forger, subject) in &forgeries {
        let inbox = format!("_INBOX.{}.answer", forger.name());
        forger.connection().publish_with_reply(subject.clone(), inbox, b"{}".to_vec()).await.expect("sent");
        forger.connection().sentinel().await.expect("the server has seen it");
        testkit::eventually(
            subject,
            || if refused(&server).iter().any(|line| line.contains(subject)) { Ok(()) } else { Err(server.log()) },
        );
    }
    let record = alice.history(id).await.expect("its record");
    let kinds: Vec<_> = record.messages.iter().map(|message| message.kind).collect();
    // The coordinator has closed it, since there is no agent of that name; nobody else has written to it.
    assert_eq!((record.state, kinds), (State::Unroutable, vec![Kind::Query, Kind::Close]));

    let as_alice = Options::new(server.url_for("summariser", &password("summariser")), name("alice"));
    let error = Bus::connect(as_alice).await.expect_err("alice's inbox is alice's");
    assert_eq!(error.code(), "forbidden", "{error}");
}
