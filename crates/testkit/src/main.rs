//! The laboratory as a program: a long run, and the two parts that it starts itself, a client that posts
//! and a worker that does what it is told.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testkit::{deaf::Deaf, load::Load, long::Long, model::Serve, work::Work};

/// The laboratory of agentbus.
#[derive(Debug, Parser)]
#[command(name = "testkit", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make faults at random, several at once, and judge what is left
    Long(Long),
    /// Measure what a subscriber that never reads costs those who publish
    Deaf(Deaf),
    /// Stand in for a model's endpoint, on this machine only, until the input ends
    Model(Serve),
    /// Post queries, wait for their ends, and write down all that was told
    Client(Load),
    /// Do one piece of work, as an agent's command
    Work(Work),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        // No runtime: a host starts many of these.
        Command::Work(work) => work.run(),
        Command::Model(serve) => serve.run(),
        Command::Long(long) => block_on(long.run()),
        Command::Deaf(deaf) => block_on(deaf.run()),
        Command::Client(load) => block_on(load.run()),
    }
}

fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("no runtime: {error}"),
    }
}
