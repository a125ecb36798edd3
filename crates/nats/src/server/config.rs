//! The files in the data directory, and the configuration that the server reads there.
//!
//! Owns the file names and the server's settings. Must never let a path's characters become configuration.
//! Next: `run`, which starts a server with it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Error, Fsync, Options};

/// The largest message, in bytes. Clients check before they send: the server hangs up on a larger one.
const MAX_PAYLOAD: u32 = 1024 * 1024;
/// The log is rotated at this size, in bytes, and this many files are kept.
const LOG_SIZE: u32 = 10 * 1024 * 1024;
const LOG_FILES: u32 = 3;

/// The files of one data directory, as absolute paths.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The directory itself; JetStream makes its own folder in it.
    pub(super) data: PathBuf,
    pub(super) config: PathBuf,
    /// Locked for as long as a bus looks after the directory's server.
    pub(super) bus_lock: PathBuf,
    /// Locked for as long as a server uses the directory.
    pub(super) lock: PathBuf,
    pub(super) log: PathBuf,
    pub(super) pid: PathBuf,
    /// A folder in which the server tells the port that it listens on.
    pub(super) ports: PathBuf,
}

impl Layout {
    /// Makes the directory if it is missing.
    pub(super) fn make(data: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(data).map_err(Error::io("make", data))?;
        let data = std::path::absolute(data).map_err(Error::io("resolve", data))?;
        Ok(Self {
            config: data.join("server.conf"),
            bus_lock: data.join("bus.lock"),
            lock: data.join("server.lock"),
            log: data.join("server.log"),
            pid: data.join("server.pid"),
            ports: data.join("ports"),
            data,
        })
    }

    /// Removes what an earlier server told about itself and writes the configuration. Only under the locks.
    pub(super) fn prepare(&self, options: &Options, port: Option<u16>) -> Result<(), Error> {
        // Either may be missing; whatever else is wrong shows when they are made.
        let _ = std::fs::remove_file(&self.pid);
        let _ = std::fs::remove_dir_all(&self.ports);
        std::fs::create_dir_all(&self.ports).map_err(Error::io("make", &self.ports))?;
        std::fs::write(&self.config, self.render(options, port)).map_err(Error::io("write", &self.config))
    }

    /// The server's configuration; without a port, the server takes one that the operating system gives.
    fn render(&self, options: &Options, port: Option<u16>) -> String {
        let port = port.map_or_else(|| "-1".into(), |port| port.to_string());
        let sync = match options.fsync {
            Fsync::Always => "always".into(),
            Fsync::Every(interval) => format!("\"{}ms\"", interval.as_millis().max(1)),
        };
        let limit = options.max_store.map(|bytes| format!("  max_file_store: {bytes}\n")).unwrap_or_default();
        format!(
            "# Written at each start of the bus; changes made here are lost.\n\
             server_name: \"agentbus\"\n\
             host: \"{host}\"\n\
             port: {port}\n\
             max_payload: {MAX_PAYLOAD}\n\
             # One stalled subscriber must not slow the publishers.\n\
             no_fast_producer_stall: true\n\
             # Nearly every message has a subject of its own: a cache of subjects is only work.\n\
             disable_sublist_cache: true\n\
             log_file: {log}\n\
             logfile_size_limit: {LOG_SIZE}\n\
             logfile_max_num: {LOG_FILES}\n\
             pid_file: {pid}\n\
             ports_file_dir: {ports}\n\
             jetstream {{\n  store_dir: {store}\n  sync_interval: {sync}\n{limit}}}\n",
            host = options.host,
            log = quote(&self.log),
            pid = quote(&self.pid),
            ports = quote(&self.ports),
            store = quote(&self.data),
        )
    }
}

/// When the server of this data directory was told to force writes to the disk, in its own words, as
/// in `always` or `120000ms`. None where no server has run.
pub fn sync_interval(data: &Path) -> Option<String> {
    let config = std::fs::read_to_string(data.join("server.conf")).ok()?;
    let told = config.lines().find_map(|line| line.trim().strip_prefix("sync_interval:"))?;
    Some(told.trim().trim_matches('"').to_owned())
}

/// The process id that a file holds, where it holds one.
pub(super) fn read_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A path as a quoted string of the server's configuration language. Every byte that is not plain ASCII is
/// spelt in hex, so that control characters and paths that are not UTF-8 work too.
fn quote(path: &Path) -> String {
    let mut quoted = String::from("\"");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(quoted, "\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn quotes_what_would_end_the_string_or_start_another_setting() {
        assert_eq!(quote(Path::new(r#"/a b/"c"\#$d"#)), r##""/a b/\"c\"\\#$d""##);
        assert_eq!(quote(Path::new("/é\nport: 1")), r#""/\xc3\xa9\x0aport: 1""#);
    }

    #[test]
    fn says_what_the_options_say() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let mut options = Options::new("nats-server", folder.path());
        let plain = layout.render(&options, Some(4222));
        assert!(plain.contains("port: 4222\n") && plain.contains("sync_interval: always\n"), "{plain}");
        assert!(!plain.contains("max_file_store"), "{plain}");

        options.fsync = Fsync::Every(Duration::from_millis(250));
        options.max_store = Some(7_000_000);
        layout.prepare(&options, None).unwrap();
        assert_eq!(sync_interval(folder.path()).as_deref(), Some("250ms"));
        let other = layout.render(&options, None);
        assert!(other.contains("port: -1\n") && other.contains("sync_interval: \"250ms\"\n"), "{other}");
        assert!(other.contains("max_file_store: 7000000\n"), "{other}");
    }
}
