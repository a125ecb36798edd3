//! Options that several commands share, so that one word means one thing in all of them.

use std::path::PathBuf;

use agentbus::{Name, QueryId, Space};
use clap::{Args, ValueEnum};

use crate::failure::Failure;

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Global {
    /// The NATS server; several are separated by commas. Default: the bus that 'up' runs in this
    /// directory or one above, else AGENTBUS_NATS, NATS_URL, the NATS CLI's context, nats://127.0.0.1:4222
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) nats: Option<String>,
    /// A NATS credentials file
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) creds: Option<PathBuf>,
    /// A file with the root certificates to trust
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// A client certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the client certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) tls_key: Option<PathBuf>,
    /// The bus, where one server carries several. Default: bus
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) space: Option<Space>,
    /// How the log is written, on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", hide_short_help = true)]
    pub(crate) log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// As whom to speak.
#[derive(Clone, Debug, Args)]
pub(crate) struct From {
    /// As whom to speak
    #[arg(long, value_name = "NAME", env = "AGENTBUS_NAME", default_value = "cli", hide_env_values = true)]
    pub(crate) from: Name,
}

/// A query as it is typed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Question {
    #[command(flatten)]
    pub(crate) from: From,
    /// Who is to answer. Default: whoever is best placed to
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<Name>,
    /// The request type, as in get_mlops_context
    #[arg(long = "type", value_name = "TYPE", default_value = "request")]
    pub(crate) request_type: String,
    /// A tag that helps to route it; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// When it expires, as in 30s, 10m or 2h; at most 7 days
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = timeout)]
    pub(crate) timeout: std::time::Duration,
    /// Which goes first where not all can: low, normal, high or critical
    #[arg(long, value_name = "PRIORITY", value_parser = priority)]
    pub(crate) priority: Option<agentbus::Priority>,
    /// An id of your own (a lower-case UUID): the same id with the same content is the same query
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<QueryId>,
}

/// Reads a duration as in `30s`, `10m`, `2h` or `1d`.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse().ok())
        .map(|days: i64| jiff::SignedDuration::from_hours(days.saturating_mul(24)));
    let duration = days.or(parsed.ok()).ok_or_else(|| "use a number and a unit, as in 30s, 10m, 2h or 1d".to_owned())?;
    std::time::Duration::try_from(duration).map_err(|_| "a duration may not be negative".to_owned())
}

/// Copies of a stream in a cluster: an odd number, since an even one survives no more failures than one less.
pub(crate) fn replicas(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|replicas| [1, 3, 5].contains(replicas)).ok_or_else(|| "use 1, 3 or 5".to_owned())
}

/// A duration as the wire has it; what is less than a millisecond is one.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A duration that a query may wait: not nothing, and at most what the contract allows.
pub(crate) fn timeout(text: &str) -> Result<std::time::Duration, String> {
    let most = std::time::Duration::from_millis(agentbus::protocol::MAX_TIMEOUT_MS);
    match duration(text)? {
        zero if zero.as_millis() == 0 => Err("use at least 1ms".to_owned()),
        long if long > most => Err("use 7 days at most".to_owned()),
        timeout => Ok(timeout),
    }
}

fn priority(text: &str) -> Result<agentbus::Priority, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| "use low, normal, high or critical".to_owned())
}

impl Question {
    /// The query with this text, if it is one: what is wrong is said before anything is sent.
    pub(crate) fn query(&self, text: String) -> Result<agentbus::Query, Failure> {
        if text.trim().is_empty() {
            return Err(Failure::usage("empty_text", "a question needs words").hint("Say what you want to know, or what is to be done."));
        }
        let mut query = agentbus::Query::new(self.from.from.clone(), self.request_type.clone(), text);
        query.target.clone_from(&self.to);
        query.context_tags = (!self.tags.is_empty()).then(|| self.tags.clone());
        query.timeout_ms = Some(millis(self.timeout));
        query.priority = self.priority;
        query.id = self.id;
        checked(query)
    }
}

/// The query, if it is one.
pub(crate) fn checked(query: agentbus::Query) -> Result<agentbus::Query, Failure> {
    let body = agentbus::Message::Query(query.clone()).to_value();
    agentbus::protocol::schema::check("query", &body).map_err(|invalid| Failure::invalid("the query", invalid))?;
    Ok(query)
}
