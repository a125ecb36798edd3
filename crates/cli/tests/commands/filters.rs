//! What differs from run to run, and from machine to machine, out of a text.

use std::path::Path;

/// Patterns and what stands for them, in this order.
const FILTERS: &[(&str, &str)] = &[
    // Times first: they hold numbers that look like other things.
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "[clock]"),
    // Ids, and what hangs on them.
    // Those that a test brings begin with 0192 and stay as they are; new ones are of a later time.
    (r"\b0(19[3-9a-f]|1[a-f]|[2-9a-f])[0-9a-f]+(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[id]"),
    (r"…[0-9a-f]{8}\b", "…[id]"),
    (r"\b[0-9a-f]{64}\b", "[digest]"),
    (r"\b[0-9a-f]{32}\b", "[instance]"),
    (r" *\+\d+\.\d{3}s", " +[s]"),
    (r"after (\d+h)?(\d+m)?\d+(\.\d{3})?s", "after [s]"),
    // How long a query of a tree took.
    (r" +\d+\.\d{3}s  ", "  [s]  "),
    // The age in a table, with what fills its column.
    (r"  \d{1,2}[smh]  +", "  [age]  "),
    // Where the server is, and what it is; other programs on this machine are no matter.
    (r"(?m)^(passing over|fetching|fetched) .*\n", ""),
    (r#"; passing over [^;"\n]*"#, ""),
    (r"nats://127\.0\.0\.1:[0-9]{4,5}", "nats://[server]"),
    (r"nats-server \d+\.\d+\.\d+", "nats-server [version]"),
    (r"\(process \d+\)", "(process [pid])"),
    (r"(agentbus|coordinator) \d+\.\d+\.\d+", "$1 [version]"),
    (r"(on PATH|in the cache|named by AGENTBUS_NATS_SERVER): [^\s]+/nats-server-?[0-9.]*(/nats-server)?", "[found at]"),
    (r"\d+\.\d [KMGT]iB free", "[room] free"),
    (r"of \d+\.\d [MG]iB used", "of [limit] used"),
    (r"\d+(\.\d)? (B|[KMGT]iB) of", "[used] of"),
];

/// Puts them into the settings of a snapshot.
pub(crate) fn set(settings: &mut insta::Settings) {
    settings.set_filters(FILTERS.iter().copied());
}

/// A text without the name of the folder in which the command ran.
pub(crate) fn without(folder: &Path, text: &str) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    [real.as_path(), folder].iter().fold(text.to_owned(), |text, path| text.replace(&path.display().to_string(), "[folder]"))
}
