//! `agentbus backup`: a copy of everything that a bus keeps, taken while it runs.
//!
//! Owns the writing of the folder; `manifest` says what stands in it, `restore` reads it. The manifest is
//! written last: a folder without one is a backup that was broken off, and nothing takes it for a whole one.

mod manifest;
mod restore;

use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use jiff::Timestamp;
use nats::{Connection, Described, Snapshot};
use sha2::{Digest, Sha256};

use self::manifest::{Kept, Manifest};
use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer, show,
};

pub(crate) use self::restore::Restore;

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    from: From,
    /// Where it goes: a folder that is empty or not there yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Backup {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from.clone()).await?;
        let connection = bus.connection();
        if connection.stream(&connection.space().ledger()).await?.is_none() {
            return Err(nothing(&connection.space().ledger()));
        }
        make(&self.folder)?;
        let mut kept = Vec::new();
        for name in nats::streams(connection.space()) {
            kept.extend(self.keep(connection, &name).await?);
        }
        let manifest = Manifest::new(connection, Timestamp::now(), kept);
        manifest.write(&self.folder).map_err(|error| self.unwritable(&error))?;
        bus.close().await;
        if self.json {
            printer::json(&manifest);
        } else {
            printer::data(manifest::text(&manifest));
            printer::say(format!("kept in {}; bring it back: agentbus restore {0}", self.folder.display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Keeps one stream, if it is there.
    async fn keep(&self, connection: &Connection, name: &str) -> Result<Option<Kept>, Failure> {
        if connection.stream(name).await?.is_none() {
            return Ok(None);
        }
        let snapshot = connection.snapshot(name).await?;
        let described = snapshot.described.clone();
        let file = format!("{name}.snapshot");
        let path = self.folder.join(&file);
        let (bytes, sha256) = self.take(snapshot, &path).await?;
        Ok(Some(kept(name, file, bytes, sha256, described)))
    }

    /// Writes a snapshot as it comes, and returns its size and digest when it is on the disk.
    async fn take(&self, mut snapshot: Snapshot, path: &Path) -> Result<(u64, String), Failure> {
        let unwritable = |error| self.unwritable(&error);
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(path).map_err(unwritable)?;
        let (mut digest, mut bytes) = (Sha256::new(), 0);
        while let Some(chunk) = snapshot.chunk().await? {
            digest.update(&chunk);
            bytes += chunk.len() as u64;
            file.write_all(&chunk).map_err(unwritable)?;
        }
        file.sync_all().map_err(unwritable)?;
        Ok((bytes, hex::encode(digest.finalize())))
    }

    fn unwritable(&self, error: &std::io::Error) -> Failure {
        let message = format!("{} cannot be written: {error}", self.folder.display());
        Failure::new(Exit::Unreachable, "backup_dir", message).hint("What is there is no whole backup: remove it, and name another folder.")
    }
}

/// Makes the folder for its owner alone: it will hold everything that the bus knows.
fn make(folder: &Path) -> Result<(), Failure> {
    let shown = folder.display();
    let unusable =
        |error| Failure::usage("backup_dir", format!("{shown} cannot be used: {error}")).hint("Name a folder that can be written.");
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            match entries.next() {
                Some(_) => Err(Failure::usage("not_empty", format!("{shown} is not empty"))
                    .hint("A backup goes into a folder of its own: name another.")),
                None => Ok(()),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable),
        Err(error) => Err(unusable(error)),
    }
}

fn nothing(ledger: &str) -> Failure {
    let message = format!("there is no stream {ledger} on this server: no bus to back up");
    Failure::new(Exit::Unreachable, "no_ledger", message).hint("Name the server and the space of a bus: --nats URL, --space NAME")
}

fn kept(name: &str, file: String, bytes: u64, sha256: String, described: Described) -> Kept {
    let count = |field| described.count(field);
    let (messages, first_seq, last_seq) = (count("messages"), count("first_seq"), count("last_seq"));
    Kept { name: name.to_owned(), file, bytes, sha256, messages, first_seq, last_seq, described }
}

/// A line of the table: the stream, what it holds, and how large that is.
fn line(kept: &Kept) -> [String; 4] {
    let span = if kept.messages == 0 { "none".to_owned() } else { format!("{} to {}", kept.first_seq, kept.last_seq) };
    [kept.name.clone(), kept.messages.to_string(), span, show::bytes(kept.bytes)]
}
