//! `agentbus restore`: a backup back into a server that has no such bus.
//!
//! It writes nothing before every digest has been checked, and never over anything. The ledger comes last:
//! without it nothing takes what is there for a bus, should the restoring be broken off.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use agentbus::{Name, Space};
use clap::Args;
use nats::{Connection, Described, Restoring};

use super::manifest::{self, Kept, Manifest};
use crate::{
    bus,
    embedded::{self, Embedded},
    failure::{Exit, Failure},
    home::Home,
    options::Global,
    printer,
};

/// Options of `restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder that 'backup' wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Into which data folder, for 'up' to take up. With --nats: into that server instead
    #[arg(long, value_name = "DIR", default_value = crate::home::NAME)]
    data: PathBuf,
    /// Copies in a cluster, if not as many as before: 1, 3 or 5
    #[arg(long, value_name = "N", value_parser = crate::options::replicas)]
    replicas: Option<usize>,
    /// Print the manifest of what was restored as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Restore {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let manifest = Manifest::check(&self.folder)?;
        let space: Space = manifest.space.parse().map_err(agentbus::Error::from)?;
        if let Some(other) = global.space.as_ref().filter(|other| **other != space) {
            return Err(Failure::usage("other_space", format!("this is a backup of the bus '{space}', not of '{other}'"))
                .hint(format!("Names and subjects belong to the space; restore it as it was: --space {space}")));
        }
        let global = Global { space: Some(space), ..global.clone() };
        match &global.nats {
            Some(url) => self.to_server(&global, url, &manifest).await?,
            None => self.to_folder(&global, &manifest).await?,
        }
        if self.json {
            printer::json(&manifest);
        } else {
            printer::data(manifest::text(&manifest));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Starts the server of a data folder for as long as it takes.
    async fn to_folder(&self, global: &Global, manifest: &Manifest) -> Result<(), Failure> {
        let home = Home::at(self.data.clone());
        home.make(false)?;
        let _claim = home.claim().await?;
        let server = Embedded::start(embedded::options(&home).await?).await?;
        let restored = self.to_server(global, &server.url, manifest).await;
        server.stop().await;
        restored?;
        let place = home.path().display();
        let option = if home.is_here() { String::new() } else { format!(" --data {place}") };
        printer::say(format!("restored into {place}; start it: agentbus up{option}"));
        Ok(())
    }

    async fn to_server(&self, global: &Global, url: &str, manifest: &Manifest) -> Result<(), Failure> {
        let reader: Name = "cli".parse().map_err(agentbus::Error::from)?;
        let connection = Connection::open(bus::options_at(global, url, reader)?).await.map_err(|error| bus::away(error, url))?;
        refuse_if_there(&connection, manifest).await?;
        // The other way round than they were taken: the ledger comes last.
        for kept in manifest.streams.iter().rev() {
            self.stream(&connection, kept).await?;
        }
        connection.close().await;
        Ok(())
    }

    async fn stream(&self, connection: &Connection, kept: &Kept) -> Result<(), Failure> {
        let mut described = kept.described.clone();
        if let (Some(replicas), Some(config)) = (self.replicas, described.config.as_object_mut()) {
            config.insert("num_replicas".to_owned(), replicas.into());
        }
        let restored = send(connection, &kept.name, &described, &self.folder.join(&kept.file)).await;
        let restored = restored.map_err(|failure| broken_off(&kept.name, failure))?;
        if restored.count("messages") == kept.messages && restored.count("last_seq") == kept.last_seq {
            return Ok(());
        }
        let (is, was) = (restored.count("messages"), kept.messages);
        let message = format!("{} holds {is} messages after the restoring, and held {was} before", kept.name);
        Err(broken_off(&kept.name, Failure::new(Exit::Unreachable, "restore_failed", message)))
    }
}

/// Sends a file, piece by piece, and returns what the server made of it.
async fn send(connection: &Connection, name: &str, described: &Described, path: &Path) -> Result<Described, Failure> {
    let mut file = File::open(path)?;
    let restoring = connection.restore(name, described).await?;
    let mut buffer = vec![0; Restoring::CHUNK];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(restoring.finish().await?);
        }
        restoring.chunk(buffer.get(..read).unwrap_or_default().to_vec()).await?;
    }
}

/// Nothing is ever restored over a bus, or over a part of one.
async fn refuse_if_there(connection: &Connection, manifest: &Manifest) -> Result<(), Failure> {
    let mut names = nats::streams(connection.space());
    names.extend(manifest.streams.iter().map(|kept| kept.name.clone()));
    names.sort();
    names.dedup();
    let mut there = Vec::new();
    for name in names {
        if connection.stream(&name).await?.is_some() {
            there.push(name);
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    let message = format!("a bus '{}' is there already: {}", connection.space(), there.join(", "));
    Err(Failure::new(Exit::Ended, "exists", message)
        .hint("Restore into an empty server or another data folder, or remove these streams first."))
}

fn broken_off(name: &str, failure: Failure) -> Failure {
    let hint = format!("The restoring stopped at {name}; remove what it made of this bus before you try again.");
    failure.hint(hint)
}
