//! `agentbus up` and `agentbus serve`: what they say when they start, and why they do not.

use testkit::{NatsServer, Process};

use crate::{bus::RunningBus, case::Folder};

#[test]
fn a_bus_starts_and_stops() {
    let folder = Folder::new("up");
    folder.write("agents/qa.md", "---\nname: qa\ndescription: Tests.\n---\n");
    let up = Process::start(&mut folder.command(&["up", "--fsync", "2m"]));
    let _ = up.says("Ctrl-C drains");
    let second = folder.run(&["up"]);
    folder.keep("already_running", &["up"], "", &second);
    up.signal("INT");
    folder.keep("up_and_down", &["up", "--fsync", "2m"], "(Ctrl-C)", &up.finish());
}

#[test]
fn why_a_bus_does_not_start() {
    let folder = Folder::new("up");
    folder.wall("wall");
    folder.case("data_that_cannot_be_written", &["up", "--data", "wall"]);
    folder.case("no_such_agents", &["up", "--agents", "nowhere"]);
    folder.case("no_such_workdir", &["up", "--workdir", "nowhere"]);
    folder.case("bad_fsync", &["up", "--fsync", "often"]);
    folder.case("bad_listen", &["up", "--listen", "4222"]);
    folder.case("no_server_at_that_url", &["up", "--nats", "nats://127.0.0.1:1"]);
    let mut named = folder.command(&["up"]);
    let output = Process::run(named.env("AGENTBUS_NATS_SERVER", "no-such-server"));
    folder.keep("a_server_was_named_that_is_not_there", &["up"], "(AGENTBUS_NATS_SERVER=no-such-server)", &output);
}

#[test]
fn a_port_that_is_taken() {
    let bus = RunningBus::start("up");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut output = bus.run(&["up", "--data", "second", "--listen", &address]);
    output.stderr = output.stderr.replace(&address, "[taken]");
    bus.keep("port_in_use", &["up", "--data", "second", "--listen", "[taken]"], "", &output);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_by_themselves() {
    let (server, folder) = (NatsServer::start().await, Folder::new("serve"));
    let url = server.url();
    let coordinator = Process::start(&mut folder.command(&["serve", "coordinator", "--nats", &url]));
    let _ = coordinator.says("serves the bus");
    let agents = Process::start(&mut folder.command(&["serve", "agents", "--nats", &url]));
    let _ = agents.says("context-manager");
    for (name, part) in [("agents", agents), ("coordinator", coordinator)] {
        part.signal("TERM");
        folder.keep(name, &["serve", name, "--nats", &url], "(SIGTERM)", &part.finish());
    }
    folder.case("coordinator_without_a_server", &["serve", "coordinator"]);
    folder.case("agents_without_a_server", &["serve", "agents"]);
    folder.case("no_part", &["serve"]);
}
