//! One file for each command: its options, and what it does.

pub(crate) mod agents;
pub(crate) mod ask;
pub(crate) mod cancel;
pub(crate) mod context;
pub(crate) mod history;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod notify;
pub(crate) mod post;
pub(crate) mod progress;
pub(crate) mod route;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod watch;

use std::process::ExitCode;

use crate::{
    args::{Cli, Command},
    failure::Failure,
};

/// Runs a command.
pub(crate) async fn run(Cli { global, command }: Cli) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(up) => up.run(&global).await,
        Command::Serve(serve) => serve.run(&global).await,
        Command::Ask(ask) => ask.run(&global).await,
        Command::Post(post) => post.run(&global).await,
        Command::Watch(watch) => watch.run(&global).await,
        Command::Status(status) => status.run(&global).await,
        Command::History(history) => history.run(&global).await,
        Command::List(list) => list.run(&global).await,
        Command::Cancel(cancel) => cancel.run(&global).await,
        Command::Progress(progress) => progress.run(&global).await,
        Command::Notify(notify) => notify.run(&global).await,
        Command::Agents(agents) => agents.run(&global).await,
        Command::Route(route) => route.run(&global).await,
        Command::Lint(lint) => lint.run(),
        Command::Context(context) => context.run(&global).await,
        Command::Schema(schema) => schema.run(),
        Command::Guard { command } => Ok(nats::server::guard::run(command).await?),
    }
}

/// Reads a text argument; `-` stands for standard input.
pub(crate) async fn text(argument: String) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument);
    }
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut tokio::io::stdin(), &mut text).await?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Returns at the first Ctrl-C or SIGTERM.
pub(crate) async fn told_to_stop() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
