//! One file for each command: its options, and what it does.

pub(crate) mod agents;
pub(crate) mod ask;
pub(crate) mod attachment;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod dead;
pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod history;
pub(crate) mod inbox;
pub(crate) mod init;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod mcp;
pub(crate) mod notify;
pub(crate) mod post;
pub(crate) mod progress;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod trust;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod watch;

use std::{path::Path, process::ExitCode};

use tokio::io::AsyncReadExt;

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
        Command::Inbox(inbox) => inbox.run(&global).await,
        Command::Reply(reply) => reply.run(&global).await,
        Command::Progress(progress) => progress.run(&global).await,
        Command::Notify(notify) => notify.run(&global).await,
        Command::Agents(agents) => agents.run(&global).await,
        Command::Route(route) => route.run(&global).await,
        Command::Lint(lint) => lint.run(),
        Command::Context(context) => context.run(&global).await,
        Command::Schema(schema) => schema.run(),
        Command::Trust(trust) => trust.run(),
        Command::Attachment(fetch) => fetch.run(&global).await,
        Command::Dead(dead) => dead.run(&global).await,
        Command::Erase(erase) => erase.run(&global).await,
        Command::Verify(verify) => verify.run(&global).await,
        Command::Backup(backup) => backup.run(&global).await,
        Command::Restore(restore) => restore.run(&global).await,
        Command::Bench(bench) => bench.run(&global).await,
        Command::Doctor(doctor) => doctor.run(&global).await,
        Command::Init(init) => init.run().await,
        Command::Mcp(mcp) => mcp.run(&global).await,
        Command::Completions(completions) => completions.run(),
        Command::Warden => {
            handlers::warden::watch(std::io::stdin().lock());
            Ok(ExitCode::SUCCESS)
        }
        Command::Checker => {
            handlers::checker::run(std::io::stdin().lock(), std::io::stdout().lock());
            Ok(ExitCode::SUCCESS)
        }
        Command::Guard { command } => Ok(nats::server::guard::run(command).await?),
    }
}

/// The most that is read from a file or from standard input: more than any bus takes in one message.
const MOST: u64 = 16 << 20;

/// Reads a text argument; `-` stands for standard input.
pub(crate) async fn text(argument: String) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument);
    }
    let bytes = read(Path::new("-")).await?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("not_utf8", "standard input is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads a file; `-` stands for standard input.
pub(crate) async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let place = file.display();
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        tokio::io::stdin().take(MOST + 1).read_to_end(&mut bytes).await
    } else {
        match tokio::fs::File::open(file).await {
            Ok(file) => file.take(MOST + 1).read_to_end(&mut bytes).await,
            Err(error) => return Err(Failure::usage("no_such_file", format!("{place}: {error}"))),
        }
    };
    read.map_err(|error| Failure::usage("unreadable", format!("{place}: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::usage("payload_too_large", format!("{place} has more than {} MiB", MOST >> 20)));
    }
    Ok(bytes)
}

/// Returns at the first Ctrl-C or SIGTERM. They are listened for from this call on.
pub(crate) fn told_to_stop() -> impl Future<Output = Result<(), Failure>> {
    use tokio::signal::unix::{SignalKind, signal};
    let listening = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (mut interrupt, mut terminate) = (listening.0?, listening.1?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
}
