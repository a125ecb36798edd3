//! What stands in a backup: a list of its files, with what each of them is a copy of.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use jiff::Timestamp;
use nats::{Connection, Described};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{failure::Failure, show};

/// The file's name.
const NAME: &str = "manifest.json";

/// The form of a backup that this version writes and reads.
const FORMAT: u32 = 1;

/// A backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The form of the backup.
    pub(super) format: u32,
    /// The bus.
    pub(super) space: String,
    /// When it was finished.
    pub(super) time: Timestamp,
    /// The version of agentbus that wrote it.
    pub(super) version: String,
    /// The version of the server that it comes from.
    pub(super) server: String,
    /// Its streams, in the order in which they were taken.
    pub(super) streams: Vec<Kept>,
}

/// One stream of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The stream.
    pub(super) name: String,
    /// The file that holds it, in the same folder.
    pub(super) file: String,
    /// The file's size.
    pub(super) bytes: u64,
    /// The file's SHA-256, in hexadecimal.
    pub(super) sha256: String,
    /// How many messages the stream held.
    pub(super) messages: u64,
    /// The first of them.
    pub(super) first_seq: u64,
    /// The last sequence that it had given out.
    pub(super) last_seq: u64,
    /// The stream as its server described it.
    #[serde(flatten)]
    pub(super) described: Described,
}

impl Manifest {
    pub(super) fn new(connection: &Connection, time: Timestamp, streams: Vec<Kept>) -> Self {
        let (space, version) = (connection.space().to_string(), env!("CARGO_PKG_VERSION").to_owned());
        Self { format: FORMAT, space, time, version, server: connection.server_version(), streams }
    }

    /// Writes it, and returns when the folder and all that is in it are on the disk.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(folder.join(NAME))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }

    /// Reads the manifest of a folder, and checks that every file is what it says.
    pub(super) fn check(folder: &Path) -> Result<Self, Failure> {
        let shown = folder.display();
        let broken = |why: String| {
            Failure::usage("bad_backup", format!("{shown} is no whole backup: {why}"))
                .hint("Name a folder that 'agentbus backup' has finished.")
        };
        let text = fs::read(folder.join(NAME)).map_err(|error| broken(format!("{NAME}: {error}")))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| broken(format!("{NAME}: {error}")))?;
        if manifest.format != FORMAT {
            return Err(broken(format!("its form is {}, and this version reads {FORMAT}", manifest.format)));
        }
        for kept in &manifest.streams {
            // A name, and never a path to somewhere else.
            if Path::new(&kept.file).file_name().is_none_or(|name| name != kept.file.as_str()) {
                return Err(broken(format!("{:?} is no name of a file in it", kept.file)));
            }
            let found = digest(&folder.join(&kept.file)).map_err(|error| broken(format!("{}: {error}", kept.file)))?;
            if found != (kept.bytes, kept.sha256.clone()) {
                return Err(broken(format!("{} is not what was written: its size or digest differs", kept.file)));
            }
        }
        Ok(manifest)
    }
}

/// Size and digest of a file.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut digest, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        digest.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

/// The streams of a backup, one a line.
pub(super) fn text(manifest: &Manifest) -> String {
    show::table(["stream", "messages", "sequences", "size"], 4, manifest.streams.iter().map(super::line))
}
