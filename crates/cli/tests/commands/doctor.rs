//! `agentbus doctor`: what is wrong, and how to mend it.

use testkit::NatsServer;

use crate::{bus::RunningBus, case::Folder};

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_runs() {
    let bus = RunningBus::start("doctor");
    bus.case("all_but_the_sync_is_well", &["doctor"]);
    bus.case("json", &["doctor", "--json"]);
    bus.case("ready", &["doctor", "--ready"]);
    bus.case("ready_json", &["doctor", "--ready", "--json"]);
    let (_sleeper, serving) = bus.sleeper().await;
    serving.drain(std::time::Duration::ZERO).await;
    bus.until(&["agents", "sleeper"], "no instance");
    bus.run(&["post", "--type", "wait", "for the sleeper"]);
    bus.until(&["agents", "sleeper"], "1 query");
    bus.case("an_agent_is_silent", &["doctor"]);
    // Another space of the same server: nothing is there.
    bus.case("no_coordinator", &["doctor", "--space", "other"]);
    bus.case("not_ready_without_a_coordinator", &["doctor", "--ready", "--space", "other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_not_as_it_must_be() {
    let (server, folder) = (NatsServer::start().await, Folder::new("doctor"));
    let connection = nats::Connection::open(nats::Options::new(server.url(), agentbus::Name::coordinator())).await.expect("it is there");
    let limits = nats::Limits { max_bytes: 64 << 20, replicas: 1 };
    nats::Ledger::open(connection, limits).await.expect("the ledger");
    folder.case("a_coordinator_that_has_stopped", &["doctor", "--nats", &server.url()]);
}

#[tokio::test]
async fn no_bus_at_all() {
    // So that there is a program to be found, if it has to be fetched.
    drop(NatsServer::start().await);
    let folder = Folder::new("doctor");
    folder.case("unreachable", &["doctor"]);
    folder.case("unreachable_json", &["doctor", "--json"]);
    folder.case("not_ready_without_a_server", &["doctor", "--ready"]);
    folder.case("not_ready_without_a_server_json", &["doctor", "--ready", "--json"]);
    let mut named = folder.command(&["doctor"]);
    let output = testkit::Process::run(named.env("AGENTBUS_NATS_SERVER", "no-such-server"));
    folder.keep("a_program_was_named_that_is_not_there", &["doctor"], "(AGENTBUS_NATS_SERVER=no-such-server)", &output);
}
