//! What can be typed: the commands. Their shared options are in `options`, their own beside each.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        agents, ask, attachment, backup, bench, cancel, completions, context, dead, doctor, erase, history, inbox, init, lint, list, mcp,
        notify, post, progress, reply, route, schema, serve, status, trust, up, verify, watch,
    },
    options::Global,
};

/// Said under the list of commands.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 the query ended badly, or something was found wrong;
2 the bus cannot be reached or started, or output is lost; 64 wrong use.";

/// A coordination bus for AI agents on NATS.
#[derive(Debug, Parser)]
#[command(name = "agentbus", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a bus: server, coordinator and agents in one process tree
    Up(up::Up),
    /// Start one part of a bus against a running NATS server
    Serve(serve::Serve),
    /// Ask, show progress, print the answer
    Ask(ask::Ask),
    /// Post a query and print its id at once
    Post(post::Post),
    /// Show what happens on the bus, live or from a point in the past
    Watch(watch::Watch),
    /// Show where a query stands
    Status(status::Status),
    /// Show everything that happened to a query
    History(history::History),
    /// List queries, newest first
    List(list::List),
    /// Cancel a query
    Cancel(cancel::Cancel),
    /// Reply to an agent that asks about a query
    Reply(reply::Reply),
    /// List what waits for you, take it and answer it: a person as an agent
    Inbox(inbox::Inbox),
    /// List what goes with a query and its answer, or write one of it to a file
    Attachment(attachment::Fetch),
    /// List dead letters, or ask one again
    Dead(dead::Dead),
    /// Remove the record of a query for good
    Erase(erase::Erase),
    /// Report progress outside a query
    Progress(progress::Progress),
    /// Send a delivery notification
    Notify(notify::Notify),
    /// List the agents, or show one
    Agents(agents::Agents),
    /// Explain who would answer a query; sends nothing
    Route(route::Route),
    /// Check agent definition files
    Lint(lint::Lint),
    /// Read and write the fact store
    Context(context::Context),
    /// Allow the commands of a folder's agents to run, and show them
    Trust(trust::Trust),
    /// Print the schema of a message, or list the schemas
    Schema(schema::Schema),
    /// Check that nothing stored is missing, and that every history is legal
    Verify(verify::Verify),
    /// Copy everything that a bus keeps into a folder, while it runs
    Backup(backup::Backup),
    /// Bring a backup back, into a server or data folder that has no such bus
    Restore(backup::Restore),
    /// Measure how fast the bus is on this machine, beside plain NATS
    Bench(bench::Bench),
    /// Check everything that a bus rests on, and say how to mend it
    Doctor(doctor::Doctor),
    /// Write a commented agentbus.toml
    Init(init::Init),
    /// Let a Claude Code, Codex or other MCP session sit at the bus as an agent
    Mcp(mcp::Mcp),
    /// Print a script that completes these commands in a shell
    Completions(completions::Completions),
    /// Kill the commands of an agent host when it is gone
    #[command(hide = true)]
    Warden,
    /// Check an answer by the schema of its query
    #[command(hide = true)]
    Checker,
    /// Hold the embedded server, and end it when this process's parent is gone
    #[command(hide = true)]
    Guard {
        /// The server's own command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

impl Command {
    /// Whether a program reads the output: then a failure is data, too.
    pub(crate) const fn wants_json(&self) -> bool {
        match self {
            Self::Ask(ask::Ask { json, .. })
            | Self::Post(post::Post { json, .. })
            | Self::Watch(watch::Watch { json, .. })
            | Self::Status(status::Status { json, .. })
            | Self::History(history::History { json, .. })
            | Self::List(list::List { json, .. })
            | Self::Attachment(attachment::Fetch { json, .. })
            | Self::Agents(agents::Agents { json, .. })
            | Self::Route(route::Route { json, .. })
            | Self::Erase(erase::Erase { json, .. })
            | Self::Verify(verify::Verify { json, .. })
            | Self::Backup(backup::Backup { json, .. })
            | Self::Restore(backup::Restore { json, .. })
            | Self::Doctor(doctor::Doctor { json, .. })
            | Self::Cancel(cancel::Cancel { json, .. })
            | Self::Reply(reply::Reply { json, .. })
            | Self::Inbox(inbox::Inbox { json, .. })
            | Self::Progress(progress::Progress { json, .. })
            | Self::Notify(notify::Notify { json, .. })
            | Self::Schema(schema::Schema { json, .. })
            | Self::Lint(lint::Lint { json, .. }) => *json,
            Self::Context(context) => context.wants_json(),
            Self::Dead(dead) => dead.wants_json(),
            Self::Bench(bench) => bench.wants_json(),
            _ => false,
        }
    }

    /// Only `up` does several things at once. Everything else is done by one thread: handing messages from
    /// one thread to another would cost more than the work itself.
    pub(crate) fn runtime(&self) -> tokio::runtime::Builder {
        match self {
            Self::Up(_) => tokio::runtime::Builder::new_multi_thread(),
            _ => tokio::runtime::Builder::new_current_thread(),
        }
    }

    /// Whether it runs until it is told to stop.
    pub(crate) const fn is_service(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Serve(_) | Self::Mcp(_))
    }
}
