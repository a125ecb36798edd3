//! The one binary. `args` says what can be typed (`options` and `spread` what several commands share),
//! `commands` has one file for each command,
//! `bus` finds the bus to talk to, `crew` loads and runs the agents of a process, `printer` writes, `failure` says what went wrong.

mod args;
mod bus;
mod commands;
mod crew;
mod embedded;
mod enclosed;
mod failure;
mod home;
mod keeping;
mod logging;
mod options;
mod printer;
mod show;
mod spread;
mod supervisor;

use std::process::ExitCode;

use clap::Parser;

/// The system's allocator takes a quarter of a coordinator's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ended(failure::usage(&error)),
    };
    let json = cli.command.wants_json();
    let runtime = match cli.command.runtime().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(json),
    };
    logging::start(cli.global.log_format, cli.command.is_service());
    let code = runtime.block_on(commands::run(cli));
    // What still blocks (a read of standard input) does not hold the exit up.
    runtime.shutdown_background();
    ended(code.unwrap_or_else(|failure| failure.report(json)))
}

/// A command whose output was lost has not done what it was asked to.
fn ended(code: ExitCode) -> ExitCode {
    match printer::lost() {
        Some(why) if code == ExitCode::SUCCESS => failure::Failure::lost(why).report(false),
        _ => code,
    }
}
