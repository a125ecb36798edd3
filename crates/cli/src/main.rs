//! The one binary. `args` says what can be typed (`options` what the commands share),
//! `commands` has one file for each command,
//! `bus` finds the bus to talk to, `printer` writes, `failure` says what went wrong.

mod args;
mod bus;
mod commands;
mod embedded;
mod failure;
mod home;
mod logging;
mod options;
mod printer;
mod show;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    let json = cli.command.wants_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(json),
    };
    logging::start(cli.global.log_format, cli.command.is_service());
    let code = runtime.block_on(commands::run(cli));
    // What still blocks (a read of standard input) does not hold the exit up.
    runtime.shutdown_background();
    code.unwrap_or_else(|failure| failure.report(json))
}
